"""What every claim needs: texts, models, the commands that are compared."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.peers import MEMORY, Peers
from harness.timing import Worker

HERE = Path(__file__).resolve().parent
Words: TypeAlias = list[str | Path]


@dataclass(frozen=True)
class Setting:
    """One run of a benchmark. work: a folder for what is made here; train, test, long_test: texts in it."""

    train: Path
    test: Path
    long_test: Path
    work: Path
    order: int
    rounds: int
    peers: Peers

    @property
    def model(self) -> Path:
        """Our model of the training text."""
        return self.work / "model"

    @property
    def arpa(self) -> Path:
        """KenLM's model of the training text."""
        return self.work / "kenlm.arpa"

    @property
    def binary(self) -> Path:
        """The same for quick loading, where ``build_binary`` was there to make it."""
        binary = self.work / "kenlm.binary"
        return binary if binary.exists() else self.arpa

    def train_command(self, out: Path, text: Path | None = None) -> Words:
        """The command that trains our model."""
        settings = ["--order", str(self.order), "--like-lmplz", "--quiet"]
        return [*nextword(), "train", "ngram", text or self.train, "--out", out, *settings]

    def lmplz_command(self, *output: str | Path, text: Path | None = None) -> Words:
        """The command that trains KenLM's."""
        assert self.peers.lmplz is not None
        settings: Words = ["-o", str(self.order), "-S", MEMORY, "-T", self.work / "lmplz-"]
        return [self.peers.lmplz, *settings, "--text", text or self.train, *output]

    def kenlm_command(self, model: Path, text: Path) -> Words:
        """The command that evaluates with KenLM's module."""
        assert self.peers.module is not None
        return [self.peers.module, HERE / "kenlm_worker.py", model, text]

    @contextmanager
    def kenlm_worker(self) -> Iterator[Worker | None]:
        """A warm process with KenLM's module, or None without the module or a model for it."""
        if self.peers.module is None or not self.binary.exists():
            yield None
            return
        with Worker([self.peers.module, HERE / "kenlm_worker.py"]) as worker:
            yield worker


def nextword() -> Words:
    """The command line of this interpreter's environment."""
    script = Path(sys.executable).parent / "nextword"
    return [script] if script.exists() else [sys.executable, "-c", "from nextword.interfaces.cli import main; main()"]


def our_worker() -> Worker:
    """A warm process of ours."""
    return Worker([sys.executable, HERE / "nextword_worker.py"])
