"""Every command of README.md and of docs/ runs, and prints what is pasted below it, or says why it is not run.

Each document runs in a folder of its own, its blocks in order, on small files of the names that it uses
(``document_files.py``); how is ``document_reader.py``'s, and what counts as a command ``documents.py``'s.
"""

import contextlib
import re
import shutil

import pytest

import nextword
from document_files import write_files
from document_reader import ROOT, Reader, missing
from documents import anchors, blocks, documents, links
from nextword import Corpus

DOCUMENTS = documents(ROOT)
MADE = ("wiki5", "wiki-lstm", "novels5", "model", "nextword-demo/word-lstm")  # models that documents take for granted


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with everything that documents take for granted."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash, and the documents' commands are a shell's")
    folder = tmp_path_factory.mktemp("documents")
    write_files(folder)
    model = nextword.train(Corpus(str(folder / "wiki.train.txt")), order=3)
    for name in MADE:
        model.save(folder / name)
    for name in ("other-tool", "news", "web"):
        nextword.write_arpa(model.model, folder / f"{name}.arpa")
    with contextlib.chdir(folder):  # the text of the book, by the commands with which the reader makes it
        book = Reader(ROOT / "docs" / "README.md", folder)
        for block in blocks(book.document.read_text(encoding="utf-8")):
            book.read(block)
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    shutil.copytree(files, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_runs(document, folder):
    reader = Reader(document, folder)
    with reader.servers:
        for block in blocks(document.read_text(encoding="utf-8")):
            lacking = next(filter(None, map(missing, block.said)), None)
            if lacking is not None:
                assert not reader.faults, "\n\n".join(reader.faults)
                pytest.skip(f"from line {block.line} on it needs {lacking}, which is not installed")
            reader.read(block)
    assert not reader.faults, "\n\n".join(reader.faults)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_picture_is_there(document):
    broken = []
    for picture, address in links(document.read_text(encoding="utf-8")):
        if re.match(r"https?://", address):
            continue
        name, _, anchor = address.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            broken.append(address)
        elif picture and target.stat().st_size > 200_000:
            broken.append(f"{address}: {target.stat().st_size:,} bytes, more than 200,000")
    assert not broken


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("    $ nextword frobnicate\n", "README.md:1: $ nextword frobnicate\nstatus 2: "),
        ("    $ make sandwich\n", "README.md:1: $ make sandwich\nstatus 127: neither run here nor marked"),
        ("    make sandwich\n", "README.md:1: $ make sandwich\nstatus 127: neither run here nor marked"),
        ("<!-- not run: why -->\n    $ make sandwich\n", "README.md:1: a mark without a reason"),
        ("<!-- not run, soup: no spoon -->\n    $ printf a\n", "README.md:1: a mark about 'soup', which no command"),
        ("    $ printf 'a\\nb\\n'\n    a\n    c\n", "README.md:1: it prints\na\nb\n\nwhere the document has\na\nc"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "README.md:2: it prints\n1\n\nwhere the document has\n2"),
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("<!-- not run: no bread here -->\n    $ make sandwich\n", None),
        ("<!-- not run, make: no bread here -->\n    $ make sandwich\n    $ printf a\n    a\n", None),
        ("<!-- output varies: a draw of lots -->\n    $ printf a\n    b\n", None),
        ("    $ printf 'made in 1.5 s'\n    made in 0.1 s\n", None),
        ("    $ printf 'perplexity 1,062.73'\n    perplexity 1,062.74\n", None),
        ("    $ printf 'perplexity 1,062.73'\n    perplexity 1,062.75\n", "README.md:1: it prints"),
        ("    $ printf '13 of 17'\n    13 of 18\n", "README.md:1: it prints"),
        ("    $ printf 4.5e-03\n    4.6e-03\n", None),
        ("    $ printf 4.5e-03\n    4.5e-02\n", "README.md:1: it prints"),
        ("    a table\n    of no commands\n", None),
    ],
)
def test_what_is_wrong_is_found(text, fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Reader.__init__.__globals__, "same_text", lambda: True)
    reader = Reader(ROOT / "README.md", tmp_path)
    for block in blocks(text):
        reader.read(block)
    assert bool(reader.faults) == (fault is not None)
    assert fault is None or fault in reader.faults[0]


def test_a_mark_that_excuses_nothing():
    with pytest.raises(ValueError, match="line 1: a mark with no commands below it"):
        list(blocks("<!-- not run: no bread here -->\n\nSome words.\n"))


def test_links_and_anchors():
    text = "# One, two\n\n[a](b.md#c) ![d](e.png) `[f](g)`\n\n    [h](i)\n\n## One two\n## One two\n"
    assert list(links(text)) == [(False, "b.md#c"), (True, "e.png")]
    assert anchors(text) == {"one-two", "one-two-1", "one-two-2"}
