"""What the harness's tasks of ours read, from a file that the user names, and the figures they give.

The harness hands its functions all of ``--model_args`` and ``--metadata``.
"""

import json
import math
from pathlib import Path
from typing import Any

from datasets import Dataset

from nextword.errors import TextError, UsageError
from nextword.tasks.reading import count_words

_COLUMNS = (("good", "sentence_good"), ("bad", "sentence_bad"))  # our names and BLiMP's


def whole_text(*, text: str | None = None, **_: Any) -> dict[str, Dataset]:
    """A file as one document: figures are those of ``nextword evaluate``, whose models read it so too."""
    return {"test": Dataset.from_dict({"text": [_read(text, "text", "nextword_text")]})}


def lines(*, text: str | None = None, **_: Any) -> dict[str, Dataset]:
    """Each line of a file as a document, with its newline."""
    found = _read(text, "text", "nextword_lines")
    return {"test": Dataset.from_dict({"text": [line + "\n" for line in found.removesuffix("\n").split("\n")]})}


def minimal_pairs(*, pairs: str | None = None, **_: Any) -> dict[str, Dataset]:
    """Pairs of sentences that differ in one thing, of which a model should find the good one likelier.

    pairs: a file of JSON objects with ``good`` and ``bad`` (or BLiMP's ``sentence_good`` and ``sentence_bad``), one a
    line, if its name ends in .jsonl; else of the good one, a tab and the bad one, a pair a line.
    """
    rows = _read(pairs, "pairs", "nextword_pairs").removesuffix("\n").split("\n")
    split = _from_json if str(pairs).endswith((".jsonl", ".json")) else _from_tabs
    found = [split(row, f"{pairs}:{number}") for number, row in enumerate(rows, start=1)]
    good, bad = ([sentence + "\n" for sentence in column] for column in zip(*found, strict=True))
    return {"test": Dataset.from_dict({"good": good, "bad": bad})}


def perplexities(doc: dict[str, str], results: list[float]) -> dict[str, tuple[float, int]]:
    """A document's log-likelihood, nats, with its words and newlines, and with its bytes, newlines included."""
    (log_likelihood,), text = results, doc["text"].encode()
    words, size = count_words(text) + text.count(b"\n"), len(text)
    given = {"word_perplexity": words, "byte_perplexity": size, "bits_per_byte": size}
    return {name: (log_likelihood, count) for name, count in given.items()}


def sentences(doc: dict[str, str]) -> list[str]:
    """Both sentences of a pair, the good one first."""
    return [doc["good"], doc["bad"]]


def accuracy(doc: dict[str, str], results: list[tuple[float, bool]]) -> dict[str, float]:
    """1 if the good sentence is likelier, half if neither is, as happens with a model of counts."""
    (good, _), (bad, _) = results
    return {"acc": 0.5 if good == bad or math.isnan(good - bad) else float(good > bad)}


def _read(path: str | None, name: str, task: str) -> str:
    if path is None:
        raise UsageError(f"the task {task} needs a file; name it with: --metadata {name}=FILE")
    data = Path(path).read_bytes()
    if not data:
        raise TextError(f"{path}: the file is empty: there is nothing to score; give one with at least one line")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TextError(f"{path}:{line}: this is not UTF-8; convert the file") from error
    return text if text.endswith("\n") else text + "\n"


def _from_tabs(row: str, where: str) -> tuple[str, str]:
    parts = row.split("\t")
    if len(parts) != 2:
        raise TextError(f"{where}: expected a good sentence, a tab and a bad one, got {row!r:.80}")
    return parts[0], parts[1]


def _from_json(row: str, where: str) -> tuple[str, str]:
    try:
        values = json.loads(row)
    except ValueError:
        values = None
    given = values if isinstance(values, dict) else {}
    good, bad = (given.get(name, given.get(blimp)) for name, blimp in _COLUMNS)
    if not (isinstance(good, str) and isinstance(bad, str)):
        raise TextError(f'{where}: expected {{"good": "…", "bad": "…"}}, got {row!r:.80}')
    return good, bad
