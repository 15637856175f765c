"""From a path to the numbers that the compiled loops work with, whatever the path holds."""

import os
from typing import Any, NamedTuple

import numpy as np

from nextword import store
from nextword.errors import UsageError
from nextword.interfaces.kenlm import lookups
from nextword.interfaces.kenlm.state import Config, LoadMethod
from nextword.ngram.arpa import read_arpa
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.history import HistoryModel
from nextword.ngram.kenlm import kernels as kenlm_kernels
from nextword.ngram.kenlm.binary import KenlmBinary, Load, is_kenlm_binary
from nextword.types import Array

_LOAD: dict[int, Load] = {LoadMethod.LAZY: "lazy", LoadMethod.READ: "read", LoadMethod.PARALLEL_READ: "read"}


class Opened(NamedTuple):
    """A model's memory. kind: of ``lookups``. fields: (n,) int64. model: what keeps the memory alive."""

    kind: int
    order: int
    bos: int
    eos: int
    fields: Array
    model: HistoryModel | KenlmBinary


def open_model(path: str, config: Config) -> Opened:
    """The n-gram model at ``path``: a directory, an ARPA file or a KenLM binary, told by what it holds.

    Raises NextwordError and OSError.
    """
    if os.path.isdir(path):  # noqa: PTH112  # kenlm's paths are strings
        model = store.load(path).model
        if isinstance(model, BackoffModel):
            return _ours(model)
        if isinstance(model, HistoryModel):
            return Opened(lookups.STREAMED, model.order, model.bos, model.eos, np.zeros(0, dtype=np.int64), model)
        raise UsageError(f"a {model.kind} model is no n-gram language model; open it with nextword.load")
    if is_kenlm_binary(path):
        return _kenlm(KenlmBinary(path, load=_LOAD.get(config.load_method, "populate")))
    return _ours(read_arpa(path))


def _ours(model: BackoffModel) -> Opened:
    fields = np.zeros(lookups.OURS_FIELDS, dtype=np.int64)
    words: Any = model.vocabulary.arrays()["table"]
    addressed = {
        kenlm_kernels.WORD_TABLE: words, lookups.TABLE: model.table, lookups.INNER: model.inner,
        lookups.LEAF: model.leaf, lookups.FIRST: model.first,
    }  # fmt: skip
    for place, array in addressed.items():
        assert array.flags.c_contiguous  # arrays of files and of our own making are
        fields[place] = array.ctypes.data
    fields[[kenlm_kernels.WORD_ROWS, kenlm_kernels.UNIGRAM_COUNT]] = len(words), len(model.vocabulary)
    fields[[lookups.SLOTS, lookups.BELOW, lookups.NGRAMS]] = len(model.table), len(model.inner), len(model)
    fields[lookups.UNK_ADDED] = model.vocabulary.unk in model.inserted
    return Opened(lookups.OURS, model.order, model.bos, model.eos, fields, model)


def _kenlm(model: KenlmBinary) -> Opened:
    kind = lookups.TRIE if model.is_trie else lookups.PROBING
    return Opened(kind, model.order, model.bos, model.eos, model.fields, model)
