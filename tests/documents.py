"""What the documents say, as data: blocks of commands with the output pasted below them, blocks of Python, links.

The convention: a command is a line of an indented block that begins with ``$``; the lines below it, if any, are what it
prints. In a block without any ``$`` whose first line names a program, every line is a command. A fenced ``python``
block is a program, and a fenced ``text`` block right after it is what that prints. A comment before a block that the
reader does not see says what the test may not do with it, and always why:

    <!-- not run: REASON -->          the block
    <!-- not run, TEXT: REASON -->    the commands of the block in which TEXT stands
    <!-- output varies: REASON -->    it is run; what it prints is not compared
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("nextword", "make", "pip", "python", "ray", "torchrun", "curl", "lm_eval")
_MARK = re.compile(r"<!-- (?P<what>not run|output varies)(?:, (?P<only>[^:]+))?:(?P<why>.*?)-->", re.DOTALL)
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_FENCE = re.compile(r"```(\w*)$")
_LINK = re.compile(r"(!?)\[(?:[^\]]|\\\])*\]\(([^)\s]+)\)")


@dataclass
class Mark:
    """A comment that excuses what follows it. line: where it stands; only: the commands that it is about."""

    line: int
    what: str
    only: str | None
    why: str


@dataclass
class Command:
    """A command line, without its ``$``, and the lines pasted below it."""

    line: int
    text: str
    output: list[str] = field(default_factory=list)


@dataclass
class Block:
    """Commands, or a program with its pasted output; ``marks`` are those before it."""

    line: int
    marks: list[Mark]
    commands: list[Command] = field(default_factory=list)
    program: str | None = None
    output: list[str] | None = None

    @property
    def said(self) -> list[str]:
        """The program, or each command, that is to be run."""
        programs = [self.program] if self.program is not None and self.excuse("not run") is None else []
        return programs + [one.text for one in self.commands if self.excuse("not run", one.text) is None]

    def excuse(self, what: str, command: str = "") -> Mark | None:
        """The mark that says this of the block, or of one of its commands."""
        fitting = (mark for mark in self.marks if mark.what == what)
        return next((mark for mark in fitting if mark.only is None or mark.only in command), None)


def blocks(text: str) -> list[Block]:
    """The blocks of a document that have to run, in order. Raises ValueError for a mark before nothing of the kind."""
    found: list[Block] = []
    marks: list[Mark] = []
    last: Block | None = None  # a program whose output may follow
    for line, kind, body in _pieces(text):
        if kind == "comment":
            marks += [
                Mark(line, m["what"], m["only"] and m["only"].strip(), m["why"].strip())
                for m in _MARK.finditer("\n".join(body))
            ]
        elif kind == "python":
            last = Block(line, marks, program="\n".join(body) + "\n")
            marks = []
            found.append(last)
        elif kind == "text" and last is not None:
            last.output, last = body, None
        elif kind == "indented" and (commands := _commands(line, body)):
            found.append(Block(line, marks, commands))
            marks, last = [], None
        elif kind != "blank":
            last = None
            if marks:
                raise ValueError(f"line {marks[0].line}: a mark with no commands below it")
    if marks:
        raise ValueError(f"line {marks[0].line}: a mark with no commands below it")
    return found


def _commands(line: int, body: list[str]) -> list[Command]:
    if any(row.startswith("$ ") for row in body):
        found: list[Command] = []
        for number, row in enumerate(body, start=line):
            if row.startswith("$ "):
                found.append(Command(number, row[2:]))
            elif found:
                found[-1].output.append(row)
        for command in found:
            while command.output and not command.output[-1]:
                command.output.pop()
        return found
    if body[0].split()[0] not in PROGRAMS:
        return []
    return [Command(number, row) for number, row in enumerate(body, start=line) if row]


def _pieces(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Runs of lines of one kind, with the number of the first: blank, comment, indented, prose, or a fence's name."""
    lines = text.split("\n")
    at = 0
    before = "blank"
    while at < len(lines):
        begin, row = at, lines[at]
        fence = _FENCE.match(row)
        if fence:
            at = lines.index("```", at + 1)
            kind, body = fence[1] or "fence", lines[begin + 1 : at]
            at += 1
        elif row.startswith("<!--"):
            while "-->" not in lines[at]:
                at += 1
            at += 1
            kind, body = "comment", lines[begin:at]
        elif row.startswith("    ") and before != "prose":
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            body = [one[4:] for one in lines[begin:at]]
            while not body[-1].strip():
                body.pop()
            kind = "indented"
        else:
            at += 1
            kind, body = ("prose" if row.strip() else "blank"), [row]
        before = kind
        yield begin + 1 + (fence is not None), kind, body


def links(text: str) -> Iterator[tuple[bool, str]]:
    """Whether it is a picture, and the address, of every link outside of code."""
    prose = "\n".join("\n".join(body) for _, kind, body in _pieces(text) if kind == "prose")
    for match in _LINK.finditer(re.sub(r"`[^`]*`", "", prose)):
        yield match[1] == "!", match[2]


def anchors(text: str) -> set[str]:
    """What a link to a heading of this document may be, as GitHub has it."""
    found: set[str] = set()
    for _, kind, body in _pieces(text):
        for row in body if kind == "prose" else ():
            heading = re.match(r"#{1,6} (.*)", row)
            if heading:
                words = re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-")
                number = 0
                while (name := f"{words}-{number}" if number else words) in found:
                    number += 1
                found.add(name)
    return found


def documents(root: Path) -> list[Path]:
    """The documents whose commands have to run: the README, and the book."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]
