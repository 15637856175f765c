"""Someone who types a document's commands, one after the other, and compares what comes with what is pasted.

Commands run in this process, but for the shell's own. ``SMALLER`` is what a network is trained with here, not what the
reader is told: then the figures are not those of the document, and only success is asked for.
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

from documents import Block, Command
from nextword.interfaces.cli import run

ROOT = Path(__file__).resolve().parent.parent
SHELL = {"head", "tail", "sed", "sort", "cat", "printf", "python", "curl"}  # runs as it is, in a shell
NUMBER = re.compile(r"\d[\d,]*\.(?P<decimals>\d+)(?:e(?P<power>[+-]?\d+))?")
SERVED = "127.0.0.1:8000"  # where documents expect a server
LIMITS = r"--(?:minutes|epochs|steps) [\d.]+"  # what ends a training for the reader
SMALLER = {  # beginnings of commands: the options that they get here, and what is taken away
    r"nextword compare *(#|$)": ("FILE --minutes 0.001", r"--minutes [\d.]+"),
    r"nextword compare": ("--minutes 0.001", r"--minutes [\d.]+"),
    r"nextword generate wiki-lstm": ("-n 2 --max-tokens 5", r"-n \d+"),
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
    " end in ends.items()] * 200": " end in ends.items()] * 8",
    '"epochs": 60': '"epochs": 1',
    "hidden_size=650": "hidden_size=8, embedding_size=8, threads=1",
}
NEEDS = {  # what a command has to have installed
    r"nextword (train (window|rnn|gru|lstm|transformer)|mix |tag|translate|classify train (rnn|cnn|encoder))": (
        "torch",
    ),
    r"nextword explain --gradients": ("torch",),
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
                exec(compile("\n" * (block.line - 1) + program, str(self.document), "exec"), self.names)
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
            self._serve(shlex.split(text, comments=True)[2:])
            return
        status, printed, err = _run(text.replace(SERVED, self.address))
        if status:
            self._fault(command.line, f"$ {text}\nstatus {status}: {err}")
        elif compare and command.output and text == command.text and not self._is_about_others(text):
            self._compare(command.line, command.output, err + printed)

    def _serve(self, names: list[str]) -> None:
        """Serve the models from now on; ``nextword serve`` itself, which ends with a signal, has tests of its own."""
        from interfaces.server.running import running
        from nextword.interfaces.server.serving import open_models

        self.servers.close()
        address = self.servers.enter_context(running(open_models(map(Path, names))))
        self.address = address.removeprefix("http://")

    def _is_about_others(self, text: str) -> bool:
        return bool(self.others.intersection(re.findall(r"[\w.-]+", text)))

    def _compare(self, line: int, pasted: list[str], printed: str) -> None:
        ours, theirs = comparable(pasted), comparable(printed.rstrip().split("\n"))
        if same_text() and not (len(ours) == len(theirs) and all(map(alike, ours, theirs))):
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


def alike(pasted: str, printed: str) -> bool:
    """Whether two lines agree but for the last digit after a point, in which processors may differ."""
    if NUMBER.sub("", pasted) != NUMBER.sub("", printed):
        return False
    for one, other in zip(NUMBER.finditer(pasted), NUMBER.finditer(printed), strict=True):
        step = 10.0 ** (int(one["power"] or 0) - len(one["decimals"]))
        if abs(float(one[0].replace(",", "")) - float(other[0].replace(",", ""))) > 1.01 * step:
            return False
    return True


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
