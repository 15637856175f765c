"""Filter models of another make: a KenLM binary file, as it lies, with the tokenizer and normaliser it was made for.

Most published ones (cc_net's, edugp's) are probing tables, which hold hashes and no n-grams: they can be looked up and
not converted. So they are used in place, through the look-ups of ``nextword.interfaces.kenlm``.
"""

import json
from pathlib import Path

import numpy as np

from nextword import durable
from nextword.interfaces.kenlm import Model
from nextword.ngram.kernels import LN10
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Float_T, Json


class KenlmLines:
    """A KenLM binary that scores whole lines: a ``LineScorer`` of ``nextword.tasks.filter.measures``."""

    kind = "kenlm"

    def __init__(self, path: Path):
        """Open the file. Raises OSError, which says why not; UsageError for one that was built without its words."""
        self._model = Model(path)
        self.vocabulary: Vocabulary = self._model.vocabulary

    def line_log_probs(self, text: bytes) -> Float_T:
        """Log-probability, nats, of each line of tokens and its end, (lines,)."""
        scores = self._model.scores(text.split(b"\n")[:-1], threads=2)  # on one thread it would not let others run
        return scores.astype(np.float64) * LN10


class ForeignFilter:
    """A KenLM binary and how it reads text: a ``Filterer``."""

    def __init__(self, path: Path, pipeline: Pipeline):
        self.model, self.pipeline = KenlmLines(path), pipeline
        files = [durable.file_sha256(path), *(durable.sha256([data]) for data in pipeline.payloads().values())]
        described = json.dumps([files, pipeline.config()], sort_keys=True).encode()
        self.info: Json = {"checksum": durable.sha256([described])}
