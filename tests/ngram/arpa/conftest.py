"""Files to be read."""

import pytest


@pytest.fixture
def file(tmp_path):
    """Makes a file of the given text or bytes and returns its path."""

    def make(content, name="model.arpa"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
