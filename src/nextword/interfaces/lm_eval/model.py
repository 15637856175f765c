"""The model ``nextword`` of the evaluation harness: log-likelihoods and greedy text over the protocol, in batches.

A text is read as a file is: its lines are normalised and cut into tokens, and ``</s>`` stands for each newline. A text
that does not end with a newline is not ended, and its ``</s>`` is not scored. So the rolling log-likelihood of a
document whose last line is ended is the sum of what ``nextword score`` gives for a file of that document.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from tqdm import tqdm

from nextword.api import load
from nextword.errors import UsageError
from nextword.interfaces.lm_eval.writing import Line, stops, write
from nextword.model import LanguageModel
from nextword.tasks.filter.documents import encoded
from nextword.tasks.reading import pad, score_sentences
from nextword.types import Array, Ids_T, Json

_CELLS = 1 << 14  # tokens and padding that a batch holds, unless one row alone is longer
_DISTRIBUTIONS = (
    1 << 22
)  # log-probabilities in memory at once, so that a batch has fewer rows if the vocabulary is large
_NOTHING = np.empty(0, dtype=np.int32)


class _Row(NamedTuple):
    """A request's ids: what is read, and what is scored."""

    context: Ids_T
    continuation: Ids_T


@register_model("nextword")
class NextwordLM(LM):  # type: ignore[misc]  # lm_eval is not marked as annotated
    """A model directory, or whatever else ``nextword.load`` opens, as the harness's ``LM``."""

    def __init__(
        self, directory: str | Path, *, batch_size: Any = None, max_batch_size: Any = None, device: Any = None
    ):
        """directory: as in ``nextword.load``, whose errors it raises; UsageError for scores that are no probabilities.

        batch_size, max_batch_size and device are what the harness gives every model. They are not needed: requests of
        like length are scored together, as many as there is room for, where ``load`` has put the model.
        """
        super().__init__()
        self.lm = load(directory)
        if not isinstance(self.lm.model, LanguageModel):
            raise UsageError(
                f"a {self.lm.model.kind} model gives scores, no probabilities, so the harness cannot evaluate it; "
                "train one with another smoothing"
            )

    @property
    def tokenizer_name(self) -> str:
        """What tells the harness's caches of requests apart."""
        return str(self.lm.info.get("checksum", self.lm.pipeline.config()))

    def loglikelihood(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log-probability of each continuation after its context, nats, and whether it is the likeliest at each token.

        Both are cut into tokens as one text; see ``split``. Without a context the continuation begins a text.
        """
        rows = [self.split(*request.args) for request in requests]
        found: list[tuple[float, bool]] = [(0.0, True)] * len(rows)
        for batch in self._watched(self._batches(rows), len(rows), "log-likelihoods", disable_tqdm):
            for i, answer in zip(batch, self._score([rows[i] for i in batch]), strict=True):
                found[i] = answer
        return found

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each document, nats. No context is cut off: the model keeps what it can."""
        documents = [self.ids(*request.args) for request in requests]
        scores = score_sentences(self.lm.model, documents)
        parts = np.split(scores, np.cumsum([len(ids) for ids in documents]))[:-1]
        return [float(part.sum(dtype=np.float64)) for part in parts]

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """What the model writes after each context, up to the first of the ``until`` strings or its line's end.

        The likeliest token is taken at each step unless ``temperature`` is given; ``top_k``, ``top_p``, ``min_p``,
        ``seed`` and ``max_gen_toks`` are heeded, as ``nextword.tasks.generate`` has them.
        """
        groups: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(i)
        texts = [""] * len(requests)
        for group, members in groups.items():
            asked = [(i, requests[i].args[0]) for i in members]
            for i, text in self._texts(asked, json.loads(group), disable_tqdm):
                texts[i] = text
        return texts

    def _texts(self, asked: list[tuple[int, str]], options: Json, disable_tqdm: bool) -> Iterator[tuple[int, str]]:
        """Texts of requests that have the same options, each with its request's number."""
        rows = [_Row(self.ids(context), _NOTHING) for _, context in asked]
        for batch in self._watched(self._batches(rows), len(rows), "texts", disable_tqdm):
            seeds = [[int(options.get("seed") or 0), asked[i][0]] for i in batch]  # a context may be asked for twice
            lines = [Line(self.lm, asked[i][1], stops(options), seed) for i, seed in zip(batch, seeds, strict=True)]
            write(self.lm, self._read([rows[i].context for i in batch]), lines, options)
            yield from ((asked[i][0], line.text) for i, line in zip(batch, lines, strict=True))

    def ids(self, text: str) -> Ids_T:
        """Ids of a text, (T,), ``</s>`` for each newline."""
        if not text:
            return _NOTHING
        found: Ids_T = self.lm.model.vocabulary.encode(self.lm.pipeline.canonical(encoded(text)).text).ids
        return found if text.endswith("\n") else found[:-1]

    def split(self, context: str, continuation: str) -> _Row:
        """The ids of both as one text, parted where it ceases to be the context's.

        As for the harness's other models, blanks at the context's end belong to the continuation. A token that reaches
        over the boundary is scored: it is the continuation that has made it.
        """
        kept = context.rstrip()
        whole, before = self.ids(context + continuation), self.ids(kept)
        shorter = min(len(whole), len(before))
        differ = np.flatnonzero(whole[:shorter] != before[:shorter])
        at = int(differ[0]) if len(differ) else shorter
        return _Row(whole[:at], whole[at:])

    def _batches(self, rows: list[_Row]) -> Iterator[list[int]]:
        """Indices of rows of like length, longest first: if memory does not suffice, it fails at once."""
        sizes = [len(row.context) + len(row.continuation) for row in rows]
        most = max(1, _DISTRIBUTIONS // len(self.lm.model.vocabulary))
        batch: list[int] = []
        for i in sorted(range(len(rows)), key=lambda i: -sizes[i]):
            if batch and (len(batch) == most or (len(batch) + 1) * sizes[batch[0]] > _CELLS):
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _score(self, rows: list[_Row]) -> list[tuple[float, bool]]:
        state = self._read([row.context for row in rows])
        continuations = [row.continuation for row in rows]
        scores, _ = self.lm.model.token_log_probs(pad(continuations), state)
        totals = [float(row[: len(ids)].sum(dtype=np.float64)) for row, ids in zip(scores, continuations, strict=True)]
        return list(zip(totals, self._greedy(continuations, state).tolist(), strict=True))

    def _read(self, contexts: list[Ids_T]) -> Any:
        """The state of rows that have read ``contexts``."""
        model, tokens = self.lm.model, pad(contexts)
        return model.advance(model.start(len(tokens)), tokens) if tokens.size else model.start(len(tokens))

    def _greedy(self, continuations: list[Ids_T], state: Any) -> Array:
        """Whether each token is as likely as any other would be, (B,). A row is left where one is not."""
        model, greedy = self.lm.model, np.ones(len(continuations), dtype=bool)
        rows, t = np.flatnonzero([len(ids) > 0 for ids in continuations]), 0
        state = model.select(state, rows)
        while len(rows):
            tokens = np.array([continuations[row][t] for row in rows], dtype=np.int32)
            log_probs = model.log_probs(state)
            best = log_probs[np.arange(len(rows)), tokens] == log_probs.max(axis=1)
            greedy[rows[~best]] = False
            t += 1
            going = np.flatnonzero(best & np.array([len(continuations[row]) > t for row in rows]))
            state = model.advance(model.select(state, going), tokens[going, None])
            rows = rows[going]
        return greedy

    @staticmethod
    def _watched(batches: Iterable[list[int]], total: int, what: str, disable: bool) -> Iterator[list[int]]:
        with tqdm(desc=what, total=total, disable=disable) as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch))
