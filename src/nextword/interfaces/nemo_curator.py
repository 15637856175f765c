"""A NeMo-Curator document filter by perplexity.

    from nemo_curator.stages.text.filters import ScoreFilter
    from nextword.interfaces.nemo_curator import PerplexityFilter

    stage = ScoreFilter(PerplexityFilter("wiki5", max_perplexity=800), text_field="text", score_field="perplexity")

It needs nemo-curator, and is the only module that does.
"""

import math
from pathlib import Path
from typing import Any

from nemo_curator.stages.text.filters import DocumentFilter

from nextword.api import load
from nextword.lm import LM
from nextword.tasks.filter.documents import Documents, encoded, joint
from nextword.tasks.filter.measures import check_models, measure


class PerplexityFilter(DocumentFilter):  # type: ignore[misc]  # NeMo-Curator has no annotations that mypy would follow
    """Scores a document with its perplexity, as ``nextword filter`` does, and keeps it within limits, both included.

    The model is opened by ``load_model``, which NeMo-Curator calls in each worker, or by the first document. It hands
    over one document at a time. A text without a character has a perplexity of NaN, and is not kept.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        min_perplexity: float = 0.0,
        max_perplexity: float = math.inf,
        join_lines: bool = False,
    ):
        super().__init__()
        self._name = "nextword_perplexity"
        self._path, self._limits, self._join_lines = str(model), (min_perplexity, max_perplexity), join_lines
        self._lm: LM | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the model, which every worker opens for itself."""
        return self.__dict__ | {"_lm": None}

    def load_model(self) -> None:
        """Open the model; its arrays are mapped, so the workers of a machine share them."""
        self._lm = load(self._path)
        check_models(self._lm)

    def score_document(self, text: str) -> float:
        """The perplexity of a document."""
        if self._lm is None:
            self.load_model()
        assert self._lm is not None  # load_model has seen to it; this tells mypy
        newline = joint(self._lm.pipeline, join_lines=self._join_lines)
        measures = measure(self._lm, Documents.from_texts([encoded(text)], newline))
        return float(measures.perplexity[0])

    def keep_document(self, scores: float) -> bool:
        """Whether a perplexity is within the limits."""
        return math.isfinite(scores) and self._limits[0] <= scores <= self._limits[1]
