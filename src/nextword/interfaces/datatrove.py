"""A datatrove pipeline step that scores documents and keeps those within limits.

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from nextword.interfaces.datatrove import PerplexityFilter

    steps = [JsonlReader("crawl"), PerplexityFilter("wiki5", max_perplexity=800), JsonlWriter("clean")]
    LocalPipelineExecutor(pipeline=steps, tasks=8).run()

It needs datatrove, and is the only module that does.
"""

from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from nextword.api import load
from nextword.lm import LM
from nextword.tasks.filter.documents import Documents, encoded, joint
from nextword.tasks.filter.measures import Measures, check_models, measure
from nextword.tasks.filter.settings import FilterSettings, Limit
from nextword.tasks.filter.sorting import sort

_BATCH = 256  # documents that are scored in one call


class PerplexityFilter(BaseFilter):  # type: ignore[misc]  # datatrove has no annotations that mypy would follow
    """Adds each document's figures to its metadata, and drops those out of limits.

    The figures are those of ``nextword filter``: perplexity, bits_per_byte, tokens and oov, and contrast where a second
    model is given. The models are opened by the process that first uses them, so a pipeline can be sent to others.
    """

    name = "nextword perplexity"

    def __init__(
        self,
        model: str | Path,
        *,
        min_perplexity: float | None = None,
        max_perplexity: float | None = None,
        contrast: str | Path | None = None,
        min_contrast: float | None = None,
        max_contrast: float | None = None,
        prefix: str = "",
        join_lines: bool = False,
        exclusion_writer: DiskWriter | None = None,
        batch_size: int = _BATCH,
    ):
        """model, contrast: directories. The other arguments are those of ``nextword filter`` and ``BaseFilter``."""
        super().__init__(exclusion_writer, batch_size)
        limits = {"perplexity": (min_perplexity, max_perplexity), "contrast": (min_contrast, max_contrast)}
        given = tuple(Limit(name, *pair) for name, pair in limits.items() if pair != (None, None))
        self.settings = FilterSettings(
            prefix=prefix, join_lines=join_lines, limits=given, contrast=contrast is not None
        )
        self.paths = [str(path) for path in (model, contrast) if path is not None]
        self._models: list[LM] = []

    def __getstate__(self) -> dict[str, Any]:
        """All but the models, which every process opens for itself."""
        return self.__dict__ | {"_models": []}

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Whether one document is kept, and if not, by which limit."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        """The same of many, scored together."""
        if not self._models:
            self._models = [load(path) for path in self.paths]
            check_models(*self._models)
        lm, *others = self._models
        newline = joint(lm.pipeline, join_lines=self.settings.join_lines)
        measures = measure(lm, Documents.from_texts([encoded(doc.text) for doc in batch], newline), *others)
        for row, doc in enumerate(batch):
            doc.metadata |= self._metadata(measures, row)
        return [
            bool(kept) or (False, self._reason(measures, row))
            for row, kept in enumerate(sort(self.settings, measures).kept)
        ]

    def _metadata(self, measures: Measures, row: int) -> dict[str, Any]:
        names = self.settings.columns()
        values = [measures.column(name.removeprefix(self.settings.prefix))[row].item() for name in names]
        return {name: value if np.isfinite(value) else None for name, value in zip(names, values, strict=True)}

    def _reason(self, measures: Measures, row: int) -> str:
        """The first limit that a document is not within."""
        for limit in self.settings.limits:
            value = measures.column(limit.column)[row]
            if limit.minimum is not None and value < limit.minimum:
                return f"low_{limit.column}"
            if limit.maximum is not None and value > limit.maximum:
                return f"high_{limit.column}"
        return "no_figure"
