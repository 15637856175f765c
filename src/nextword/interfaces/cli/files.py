"""Models where a command takes a directory or an ARPA file."""

from pathlib import Path
from typing import TYPE_CHECKING

from nextword.interfaces.cli.progress import note

if TYPE_CHECKING:
    from nextword.lm import LM

_ARPA = (".arpa", ".arpa.gz", ".arpa.zst")


def is_arpa(path: Path) -> bool:
    """Whether a path is named as an ARPA file."""
    return path.name.endswith(_ARPA)


def open_lm(path: Path) -> "LM":
    """The model in a directory or an ARPA file. Raises StoreError, ArpaError."""
    from nextword.api import load
    from nextword.lm import LM

    if not is_arpa(path):
        return load(path)
    from nextword.ngram.arpa import read_arpa

    return LM(read_arpa(path))


def check_target(path: Path) -> None:
    """What ``save_lm`` would refuse of the place itself, before the work. Raises StoreError."""
    from nextword import store
    from nextword.errors import StoreError

    if not is_arpa(path):
        store.check_target(path)
    elif not path.parent.is_dir() or path.is_dir():
        raise StoreError(f"{path}: cannot be written: it is a directory, or is to be in none; give another name")


def save_lm(lm: "LM", path: Path, *, quiet: bool, source: Path | None = None) -> None:
    """Write a directory or an ARPA file. Raises StoreError, ArpaError, and UsageError for what has no ARPA form.

    source: where the model is from, for that error.
    """
    if not is_arpa(path):
        lm.save(path)
        return
    from nextword.errors import UsageError
    from nextword.ngram.arpa import write_arpa
    from nextword.ngram.compact.quantize import as_backoff

    try:
        model = as_backoff(lm.model)
    except UsageError as error:
        raise UsageError(f"{source or path}: {error}") from None
    write_arpa(model, path)
    if lm.pipeline.tokenizer.name != "whitespace":
        name = lm.pipeline.tokenizer.name
        note(f"{path}: its words are tokens of the {name} tokenizer, which an ARPA file cannot hold", quiet=quiet)
