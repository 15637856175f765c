"""Tiny models, and servers of them. Nothing here needs the server's libraries before a test asks for it."""

import pytest

LINES = [
    "students opened their books",
    "students opened their laptops",
    "students opened their exams",
    "the students read their books , and the teacher read .",
    "the teacher opened the door",
    "the proctor started the clock",
    "as the proctor started the clock , the students opened their books",
]
TINY = {"batch_size": 2, "bptt": 8, "steps": 40, "threads": 1, "hidden_size": 16, "embedding_size": 16, "seed": 1}


@pytest.fixture(scope="session")
def text_file(tmp_path_factory):
    """A text of a few sentences, a few times over."""
    file = tmp_path_factory.mktemp("text") / "train.txt"
    file.write_text("\n".join(LINES * 4) + "\n")
    return file


@pytest.fixture(scope="session")
def ngram(text_file):
    """A trigram model of words between blanks."""
    from nextword import train

    return train(text_file, order=3, smoothing="witten-bell")


@pytest.fixture(scope="session")
def lstm(text_file):
    """An LSTM of the same words."""
    pytest.importorskip("torch")
    from nextword import train

    return train(text_file, kind="lstm", device="cpu", lr=0.02, precision="float32", **TINY)


@pytest.fixture(scope="session")
def server(ngram):
    """The address of a server of the trigram model."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    from interfaces.server.running import running

    with running({"ngram": ngram}) as address:
        yield address
