"""The files that a count keeps beside its output until it is finished, on storage that all nodes see.

    plan.json               the text and the options; what is here was made from these
    text/                   files of the tokenizer
    source-00000.json       size and hash of a file
    words-0-00000           word counts of a range; words-1-00000 of many of these, and so on
    vocabulary              the vocabulary and its words' counts
    run-00000-0             sorted rows of a range (``ngram.external.runs``), or of a part of it that fits in memory
    run-00000.json          names of a range's runs, once all are there
    shard-00000.json        entry of a finished shard, which itself is in the output

Each is written whole, and its being there says that it is done.
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextword import durable
from nextword.ngram.external.counts import WordCounts, claim
from nextword.tensors import lay_out, map_file
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

FOLDER = ".nextword-count"
_PLAN, _PAYLOADS, _VOCABULARY = "plan.json", "text", "vocabulary"
_SPECIALS: dict[str, int | None] = {"unk": 0, "bos": 1, "eos": 2}


def open_scratch(out: Path, plan: Json, pipeline: Pipeline) -> Path:
    """The directory for ``plan``: as an earlier run has left it if its plan was the same, otherwise empty.

    Then what ``out`` has counted before goes too. Raises StoreError if other files are there.
    """
    scratch = out / FOLDER
    if read_json(scratch / _PLAN) != plan:
        shutil.rmtree(scratch, ignore_errors=True)
        claim(out)
        (scratch / _PAYLOADS).mkdir(parents=True)
        for name, data in pipeline.payloads().items():
            (scratch / _PAYLOADS / name).write_bytes(data)
        write_json(scratch / _PLAN, plan)
    return scratch


def read_payloads(scratch: Path) -> dict[str, bytes]:
    """The files of the tokenizer."""
    return {file.name: file.read_bytes() for file in (scratch / _PAYLOADS).iterdir()}


def write_json(file: Path, values: Json) -> None:
    """Write and sync a file, whole or not at all."""
    _write(file, [json.dumps(values).encode()])


def read_json(file: Path) -> Json | None:
    """What ``write_json`` wrote, or None."""
    try:
        found: Json = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found


def write_words(file: Path, words: WordCounts, *, unended: bool = False) -> None:
    """Store word counts, and whether the text they are of lacks its last newline."""
    _write(file, lay_out({**words._asdict(), "unended": np.array([unended], dtype=np.uint8)}))


def read_words(file: Path) -> WordCounts:
    """What ``write_words`` wrote, mapped."""
    arrays = map_file(file)
    return WordCounts(*(arrays[name] for name in WordCounts._fields))


def is_unended(file: Path) -> bool:
    """Whether a text that has any words lacks its last newline, by its word counts."""
    return bool(map_file(file)["unended"][0])


class Known(NamedTuple):
    """A vocabulary and how often each of its words came, (V,)."""

    vocabulary: Vocabulary
    counts: Array


def write_vocabulary(scratch: Path, known: Known) -> None:
    """Store a vocabulary."""
    _write(scratch / _VOCABULARY, lay_out({**known.vocabulary.arrays(), "counts": known.counts}))


def read_vocabulary(scratch: Path) -> Known:
    """What ``write_vocabulary`` wrote, mapped, so that the processes of a node share it. Raises FileNotFoundError."""
    arrays = map_file(scratch / _VOCABULARY)
    counts = arrays.pop("counts")
    return Known(Vocabulary.from_arrays(arrays, dict(_SPECIALS)), counts)


def _write(file: Path, blocks: durable.Blocks) -> None:
    with durable.temporary(file.parent) as temporary:
        durable.write(temporary, blocks)
        temporary.replace(file)
