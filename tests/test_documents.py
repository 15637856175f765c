"""Every command of README.md and of docs/ runs, and prints what is pasted below it, or says why it is not run.

Each document runs in a folder of its own, its blocks in order, on small files of the names that it uses
(``document_files.py``); commands run in this process. ``SMALLER`` is what a network is trained with here, not what
the reader is told: then the figures are not those of the document, and only success is asked for.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path

import pytest

import nextword
from document_files import write_files
from documents import Block, Command, anchors, blocks, documents, links
from nextword import Corpus
from nextword.interfaces.cli import run

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = documents(ROOT)
SHELL = {"head", "tail", "sed", "sort", "cat", "printf", "python", "curl"}  # runs as it is, in a shell
MADE = ("wiki5", "novels5", "model")  # models that documents take for granted
SERVED = "127.0.0.1:8000"  # where documents expect a server
LIMITS = r"--(?:minutes|epochs|steps) [\d.]+"  # what ends a training for the reader
SMALLER = {  # beginnings of commands: the options that they get here, and what is taken away
    r"nextword compare": ("--minutes 0.001", r"--minutes [\d.]+"),
    r"nextword train cbow": ("--epochs 1 --embedding-size 4", LIMITS),
    r"nextword train (rnn|gru|lstm)": ("--steps 3 --embedding-size 8 --hidden-size 8 --threads 1 --layers 1", LIMITS),
    r"nextword train window": ("--steps 3 --embedding-size 8 --hidden-size 8 --threads 1", LIMITS),
    r"nextword train transformer": ("--steps 3 --embedding-size 8 --layers 1 --heads 2 --threads 1", LIMITS),
    r"nextword classify train cnn": ("--steps 3 --threads 1", LIMITS),
    r"nextword classify train rnn": ("--steps 3 --hidden-size 8 --threads 1", LIMITS),
    r"nextword tag train": ("--steps 3 --hidden-size 8 --embedding-size 8 --threads 1", LIMITS),
    r"nextword parse train": ("--steps 3 --hidden-size 8 --embedding-size 8 --threads 1", LIMITS),
    r"nextword translate train": (
        "--steps 3 --hidden-size 8 --embedding-size 8 --batch-size 4 --threads 1 --tokenizer word",
        LIMITS,
    ),
}
ELSEWHERE = {  # places that this machine may lack: what stands for them
    "/scratch/": "scratch/",
    "/shared/": "",
    " --ray head:6379": "",  # on this machine and without Ray; tests/cluster runs --ray
    " --ray auto": "",
}
SMALLER_PROGRAM = {  # the same of what programs say
    "minutes=30": "steps=3",
    '"epochs": 60': '"epochs": 1',
    "hidden_size=650": "hidden_size=8, embedding_size=8, threads=1",
}
NEEDS = {  # what a command has to have installed
    r"nextword (train (window|rnn|gru|lstm|transformer)|mix |tag|translate|classify train (rnn|cnn|encoder))": (
        "torch",
    ),
    r"nextword parse (train|predict|evaluate)": ("torch", "sklearn"),
    r"nextword (classify|tag|translate)": ("sklearn",),
    r"nextword (rescore|spell)": ("jiwer",),
    r"--plot|--attention": ("matplotlib",),
    r"kind=(kind|\"lstm\")": ("torch",),
    r"from nextword.tasks import": ("sklearn",),
    r"from openai import": ("openai",),
    r"nextword serve": ("fastapi", "uvicorn"),
}


class Reader:
    """Someone who types a document's commands, one after the other, in a folder."""

    def __init__(self, document: Path, folder: Path):
        self.document, self.folder = document, folder
        self.names: dict[str, object] = {"__name__": "document"}
        self.others: set[str] = set()  # models that are not the document's: what it says of them is not compared
        self.faults: list[str] = []
        self.servers = contextlib.ExitStack()
        self.address = SERVED  # of the server that was started last

    def read(self, block: Block) -> None:
        """Run what is to be run of a block; what goes wrong is a fault."""
        for mark in block.marks:
            if len(mark.why.split()) < 2:
                self._fault(mark.line, "a mark without a reason")
            if mark.only is not None and not any(mark.only in command.text for command in block.commands):
                self._fault(mark.line, f"a mark about {mark.only!r}, which no command below it has")
        if block.program is not None and block.excuse("not run") is None:
            self._python(block)
        for command in block.commands:
            if block.excuse("not run", command.text) is None:
                self._command(command, compare=block.excuse("output varies", command.text) is None)

    def _python(self, block: Block) -> None:
        program, printed = block.program.replace(SERVED, self.address), io.StringIO()
        for said, smaller in SMALLER_PROGRAM.items():
            program = program.replace(said, smaller)
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(program, str(self.document), "exec"), self.names)
        except Exception:
            self._fault(block.line, traceback.format_exc(limit=-2))
        same = program.replace(self.address, SERVED) == block.program and not self._is_about_others(program)
        if block.output is not None and same and block.excuse("output varies") is None:
            self._compare(block.line, block.output, printed.getvalue())

    def _command(self, command: Command, *, compare: bool) -> None:
        text = command.text
        for place, here in ELSEWHERE.items():
            text = text.replace(place, here)
        for beginning, (options, dropped) in SMALLER.items():
            if re.match(beginning, text):
                text = f"{re.sub(dropped, '', text.partition(' #')[0])} {options}"
        if (text != command.text or self._is_about_others(text)) and (out := re.search(r"--out (\S+)", text)):
            self.others.add(out[1])
        if text.startswith("nextword serve "):
            self._serve(text.split()[2:])
            return
        status, printed, err = _run(text.replace(SERVED, self.address))
        if status:
            self._fault(command.line, f"$ {text}\nstatus {status}: {err}")
        elif compare and command.output and text == command.text and not self._is_about_others(text):
            self._compare(command.line, command.output, err + printed)

    def _serve(self, names: list[str]) -> None:
        """Serve the models from now on; ``nextword serve`` itself, which ends with a signal, has tests of its own."""
        from interfaces.server.running import running

        self.servers.close()
        address = self.servers.enter_context(running({name: nextword.load(name) for name in names}))
        self.address = address.removeprefix("http://")

    def _is_about_others(self, text: str) -> bool:
        return bool(self.others.intersection(re.findall(r"[\w.-]+", text)))

    def _compare(self, line: int, pasted: list[str], printed: str) -> None:
        if same_text() and comparable(pasted) != comparable(printed.rstrip().split("\n")):
            self._fault(line, "it prints\n" + printed + "\nwhere the document has\n" + "\n".join(pasted))

    def _fault(self, line: int, what: str) -> None:
        self.faults.append(f"{self.document.relative_to(ROOT)}:{line}: {what}")


def same_text() -> bool:
    """Whether the prose that this Python carries is the one that the documents' output comes from."""
    return sys.version_info[:3] == (3, 11, 7)


def comparable(rows: list[str]) -> list[str]:
    """Printed lines without what no run repeats: seconds, and the column of tokens a second."""
    found, dropped = [], None
    for row in rows:
        cells = re.split(r"\s{2,}", re.sub(r"\bin [\d.,]+ s\b", "in … s", re.sub("--+", "--", row.strip())))
        if "tokens/s" in cells:
            dropped, width = cells.index("tokens/s"), len(cells)
        elif dropped is not None and len(cells) != width:
            dropped = None
        found.append("  ".join(cell for i, cell in enumerate(cells) if i != dropped))
    return found


def _run(text: str) -> tuple[int, str, str]:
    """Status, output and errors of a command line: ours in this process, with the shell's globs and redirections."""
    words = shlex.split(text, comments=True)
    if words[0] in SHELL and shutil.which("bash"):
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr
    if words[0] != "nextword" or "|" in words:
        return 127, "", "neither run here nor marked with the reason: <!-- not run: REASON -->"
    arguments, files = _redirected([one for word in words[1:] for one in _globbed(word)])
    stdin = Path(files["<"]).read_bytes() if "<" in files else b""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()) as err,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = run(arguments)
    printed = out.buffer.getvalue().decode()
    if ">" in files:
        Path(files[">"]).write_text(printed, encoding="utf-8")
        printed = ""
    return status, printed, err.getvalue()


def _redirected(words: list[str]) -> tuple[list[str], dict[str, str]]:
    files = {sign: name for sign, name in zip(words, words[1:], strict=False) if sign in "<>"}
    return [word for i, word in enumerate(words) if word not in files and words[max(i - 1, 0)] not in files], files


def _globbed(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def missing(command: str) -> str | None:
    """What a command needs and is not installed."""
    needed = (name for pattern, names in NEEDS.items() if re.search(pattern, command) for name in names)
    return next((name for name in needed if find_spec(name) is None), None)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with everything that documents take for granted."""
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
