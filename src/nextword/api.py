"""A language model in a user's hands: a model and the way it reads text, together."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nextword import store
from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.stupid import StupidBackoff
from nextword.ngram.train import Progress, default_threads, train_ngram
from nextword.tasks.evaluate import Evaluation, evaluate
from nextword.tasks.generate import beam_search, generate
from nextword.tasks.next import NextTokens, Step, next_steps, next_tokens
from nextword.tasks.surprisal import surprisals
from nextword.text.corpus import Block, Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Ids_T, Json

Text = str | Path | Sequence[str | Path]


class Surprisal(NamedTuple):
    """A token and its surprisal in bits."""

    token: str
    bits: float


class LM:
    """A language model and its text pipeline: what ``nextword.load`` and ``nextword.train`` return.

    model: the ``LanguageModel``, for ids and arrays. pipeline: normaliser and tokenizer. info: how it was made.
    """

    def __init__(self, model: Any, pipeline: Pipeline | None = None, *, info: Json | None = None):
        self.model = model
        self.pipeline = pipeline or Pipeline()
        self.info = info or {}

    def __repr__(self) -> str:
        return f"LM({self.model!r})"

    def save(self, directory: str | Path) -> None:
        """Write the model directory; see ``nextword.store``. Raises StoreError."""
        known = {"trained_on": self.info.get("trained_on", ()), "settings": self.info.get("settings")}
        store.save(directory, self.model, text=self.pipeline, **known)

    def score(self, text: str) -> float:
        """Log-probability of a text, nats: the sum over its lines' tokens and their ends."""
        return -self._evaluate(text).nats

    def perplexity(self, text: str) -> float:
        """Perplexity of a text, ``</s>`` at each line's end counted."""
        return self._evaluate(text).perplexity

    def surprisal(self, text: str) -> list[Surprisal]:
        """Each token of a text, ``</s>`` included, with its surprisal in bits."""
        lines = surprisals(self.model, Corpus.from_text(text), pipeline=self.pipeline, distributions=False)
        return [
            Surprisal(token, bits) for line in lines for token, bits in zip(line.tokens, line.surprisal.tolist(), strict=True)
        ]

    def evaluate(self, text: Text, *, threads: int | None = None) -> Evaluation:
        """Perplexity and more of files of one sentence a line; see ``Evaluation``."""
        return evaluate(self.model, Corpus(text), pipeline=self.pipeline, threads=threads or default_threads())

    def next(self, context: str = "", *, k: int = 10, prefix: str | None = None) -> NextTokens:
        """The k likeliest tokens after the words of ``context``, which begin a sentence; see ``NextTokens``."""
        return next_tokens(self.model, self.ids(context), k=k, prefix=prefix)

    def steps(self, text: str, *, k: int = 10) -> list[Step]:
        """What was expected at each token of a sentence, and how the token that came ranked."""
        return next_steps(self.model, [*self.ids(text), self.model.vocabulary.eos], k=k)

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 50,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        beam: int | None = None,
        seed: int | None = None,
        samples: int = 1,
        stop: bool = True,
    ) -> list[str]:
        """Continue ``prompt``, ``samples`` times: each text begins with the prompt. ``beam`` searches instead of sampling.

        temperature: 0 always takes the likeliest token. stop: end at ``</s>``; otherwise write on, a line a sentence.
        """
        ids = self.ids(prompt)
        if beam is not None:
            found = beam_search(self.model, ids, beam=beam, max_tokens=max_tokens, samples=samples)
        else:
            sampling: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
            found = generate(self.model, ids, max_tokens=max_tokens, seed=seed, samples=samples, stop=stop, **sampling)
        return [self.text([*ids.tolist(), *np.asarray(result.ids).tolist()]) for result in found]

    def ids(self, text: str) -> Ids_T:
        """Ids of the tokens of a line, (T,), without ``</s>``."""
        if "\n" in text.rstrip("\n"):
            raise UsageError("a context is one line; give the words of one sentence")
        return self.model.vocabulary.ids(self.pipeline.tokens(text))

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids, each ``</s>`` but the last a new line."""
        vocabulary = self.model.vocabulary
        lines: list[list[str]] = [[]]
        for i in ids:
            if i == vocabulary.eos:
                lines.append([])
            else:
                lines[-1].append(vocabulary.word(i))
        if len(lines) > 1 and not lines[-1]:
            lines.pop()
        return "\n".join(self.pipeline.detokenize(tokens) for tokens in lines)

    def _evaluate(self, text: str) -> Evaluation:
        return evaluate(self.model, Corpus.from_text(text), pipeline=self.pipeline)


def load(directory: str | Path) -> LM:
    """Open a model directory; its arrays are memory-mapped. Raises StoreError, which names what is wrong."""
    stored = store.load(directory)
    return LM(stored.model, Pipeline.from_config(stored.text, stored.payloads), info=stored.config)


def train(
    text: Text | Corpus,
    *,
    kind: Literal["ngram"] = "ngram",
    order: int = 5,
    smoothing: Name | Smoothing = "modified-kneser-ney",
    tokenizer: str = "whitespace",
    normalizer: Normalizer | None = None,
    bpe_size: int = 8000,
    valid: Text | Corpus | None = None,
    blocks: Iterable[Block] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> LM:
    """Train a model on files of one sentence a line; see ``nextword.ngram.train.train_ngram`` for ``settings``.

    tokenizer: whitespace, word, char, byte, bpe (trained here, ``bpe_size`` pieces) or the path of a tokenizer.json.
    blocks: the corpus's own blocks, for a caller who watches them go by. progress: called with each stage's name.
    """
    if kind != "ngram":
        raise UsageError(f"unknown kind of model {kind!r}; this version trains: ngram")
    corpus = text if isinstance(text, Corpus) else Corpus(text)
    held_out = valid if valid is None or isinstance(valid, Corpus) else Corpus(valid)
    normal = normalizer or Normalizer()
    pipeline = Pipeline(normal, make_tokenizer(tokenizer, corpus=corpus, normalizer=normal, vocab_size=bpe_size))
    watched = corpus if blocks is None else blocks
    model: BackoffModel | StupidBackoff = train_ngram(
        watched, order=order, smoothing=smoothing, pipeline=pipeline, valid=held_out, progress=progress, **settings
    )
    shown = {name: value for name, value in settings.items() if name in ("prune", "min_count", "vocab_size") and value}
    info = {"trained_on": corpus.sources, "settings": shown}
    return LM(model, pipeline, info=info)

