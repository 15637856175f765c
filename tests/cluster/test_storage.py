"""What is asked of every node before the work begins, and what the answers lead to."""

import pytest

from nextword import __version__
from nextword.cluster.storage import _check, look
from nextword.errors import ClusterError

SHARED = "every node must see the same storage at the same path (NFS, Lustre, a mounted bucket)"


@pytest.fixture
def sign(tmp_path):
    file = tmp_path / ".nextword-0123456789abcdef.tmp"
    file.write_text("token")
    return file


def test_a_node_on_the_same_storage(tmp_path, sign):
    text = tmp_path / "text.txt"
    text.write_text("four")
    seen = look(str(sign), [str(text)])
    _check("10.0.0.2", seen, sign, "token", {str(text): 4})


def refusal(seen, sign, files=None):
    with pytest.raises(ClusterError) as caught:
        _check("10.0.0.2", seen, sign, "token", files or {})
    return str(caught.value)


def test_a_node_on_other_storage(tmp_path, sign):
    elsewhere = look(str(tmp_path / "other" / sign.name), [])
    message = f"{tmp_path}: node 10.0.0.2 does not see, or cannot write, what this machine wrote there; {SHARED}"
    assert refusal(elsewhere, sign) == message
    local_copy = look(str(sign), [])
    (tmp_path / local_copy["sign"]).unlink()  # it wrote its sign, and this machine does not see it
    assert refusal(local_copy, sign) == message


def test_a_node_that_does_not_see_an_input(tmp_path, sign):
    text = str(tmp_path / "text.txt")
    assert (
        refusal(look(str(sign), [text]), sign, {text: 4}) == f"{text}: node 10.0.0.2 does not see this file; {SHARED}"
    )
    (tmp_path / "text.txt").write_text("fourteen")
    seen = look(str(sign), [text])
    assert refusal(seen, sign, {text: 4000}) == (
        f"{text}: node 10.0.0.2 sees 8 bytes in it, this machine 4,000; {SHARED}"
    )


def test_a_node_with_another_version(sign):
    seen = look(str(sign), []) | {"version": "0.0.9"}
    message = f"node 10.0.0.2 has nextword 0.0.9, this machine {__version__}; install the same"
    assert refusal(seen, sign) == message
