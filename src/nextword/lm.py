"""A language model in a user's hands: a model and the way it reads text, together."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nextword import store
from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.ngram.settings import default_threads
from nextword.tasks.beam import beam_search
from nextword.tasks.evaluate import Evaluation, evaluate
from nextword.tasks.generate import generate
from nextword.tasks.lines import line_log_probs
from nextword.tasks.next import NextTokens, Step, next_steps, next_tokens
from nextword.tasks.surprisal import surprisals
from nextword.tasks.words import word_surprisals
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Ids_T, Json

Text = str | Path | Sequence[str | Path]


class Surprisal(NamedTuple):
    """A token, or a word, and its surprisal in bits."""

    token: str
    bits: float


class LM:
    """A language model and its text pipeline: what ``nextword.load`` and ``nextword.train`` return.

    model: the ``LanguageModel``, for ids and arrays. pipeline: normaliser and tokenizer. info: how it was made.
    Text given to a method may have several lines, each a sentence, unless it is a context or a prompt. Methods raise
    TextError for text that cannot be read and UsageError for an option out of range.
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

    def score_lines(self, lines: Iterable[str] | bytes | Path | Corpus, *, threads: int | None = None) -> Array:
        """Log-probability of each line, (lines,) nats, on all processors: the fast door for many sentences.

        The lines are a text: a model of running text (``scope`` "stream") carries its state from each to the next.
        lines: strings of one line each, or the raw bytes of a text, or a file's Path. Threads share an n-gram model
        and do not hold each other up. Raises UsageError for a str, and for a string of several lines.
        """
        if isinstance(lines, str):
            raise UsageError(
                "score_lines was given one str, which may be a text or a file's name; give its lines, for example by "
                "splitlines(), or a pathlib.Path"
            )
        strings: list[str] = []
        if isinstance(lines, bytes):
            corpus = Corpus.from_bytes(lines)
        elif isinstance(lines, Path | Corpus):
            corpus = corpus_of(lines)
        else:
            corpus = Corpus.from_lines(strings := list(lines))
        found = line_log_probs(self.model, corpus, pipeline=self.pipeline, threads=threads or default_threads())
        if strings and len(found) != len(strings):
            number, line = next((i, line) for i, line in enumerate(strings, start=1) if "\n" in line[:-1])
            raise UsageError(f"string {number} holds several lines: {line!r:.80}; give score_lines one line in each")
        return found

    def perplexity(self, text: str) -> float:
        """Perplexity of a text, ``</s>`` at each line's end counted; UsageError if the model has no probabilities."""
        found = self._evaluate(text)
        if not found.normalised:
            raise UsageError(f"this model has no perplexity: {found.reason}")
        return found.perplexity

    def surprisal(self, text: str) -> list[Surprisal]:
        """Each token of a text, ``</s>`` included, with its surprisal in bits."""
        lines = surprisals(self.model, Corpus.from_text(text), pipeline=self.pipeline, distributions=False)
        pairs = (pair for line in lines for pair in zip(line.tokens, line.surprisal.tolist(), strict=True))
        return [Surprisal(token, bits) for token, bits in pairs]

    def word_surprisal(self, text: str, *, correction: bool = False) -> list[Surprisal]:
        """Each word of a text, ``</s>`` included, with its surprisal in bits; see ``nextword.tasks.words``."""
        lines = word_surprisals(self.model, Corpus.from_text(text), pipeline=self.pipeline, correction=correction)
        pairs = (pair for line in lines for pair in zip(line.words, line.surprisal.tolist(), strict=True))
        return [Surprisal(word, bits) for word, bits in pairs]

    def evaluate(self, text: Text | Corpus, *, threads: int | None = None) -> Evaluation:
        """Perplexity and more of files of one sentence a line; see ``Evaluation``."""
        corpus = corpus_of(text)
        found = evaluate(self.model, corpus, pipeline=self.pipeline, threads=threads or default_threads())
        found.compare_sources(corpus.sources, self.info)
        return found

    def next(self, context: str = "", *, k: int = 10, prefix: str | None = None) -> NextTokens:
        """The k likeliest tokens after the words of ``context``, which begin a sentence; see ``NextTokens``."""
        return next_tokens(self.predictor(), self.ids(context), k=k, prefix=prefix)

    def steps(self, text: str, *, k: int = 10) -> list[Step]:
        """What was expected at each token of a sentence, and how the token that came ranked."""
        return next_steps(self.predictor(), [*self.ids(text), self.model.vocabulary.eos], k=k)

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
        """Continue ``prompt``, ``samples`` times: each text begins with the prompt, normalised.

        temperature: 0 always takes the likeliest token. beam: search for the likeliest text instead of sampling. stop:
        end at ``</s>``; otherwise write on, a line a sentence.
        """
        lm, words = self.predictor(), self.pipeline.tokens(prompt)
        ids = lm.vocabulary.ids(words)
        length: dict[str, Any] = {"max_tokens": max_tokens, "samples": samples}
        sampling: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        sampling |= {"seed": seed, "stop": stop}
        if beam is None:
            found = generate(lm, ids, **length, **sampling)
        else:
            _check_searches(sampling)
            found = beam_search(lm, ids, beam=beam, **length)
        return [self._written([*words, *map(lm.vocabulary.word, one.ids)]) for one in found]

    def ids(self, text: str) -> Ids_T:
        """Ids of the tokens of a line, (T,), without ``</s>``."""
        ids: Ids_T = self.model.vocabulary.ids(self.pipeline.tokens(text))
        return ids

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids, each ``</s>`` but the last a new line."""
        return self._written([self.model.vocabulary.word(i) for i in ids])

    def predictor(self) -> LanguageModel[Any]:
        """The model, if it can tell the next token's probability; UsageError if it gives scores alone."""
        if not isinstance(self.model, LanguageModel):
            raise UsageError(
                f"a {self.model.kind} model gives scores, no probabilities of the next token, so it cannot predict or "
                "write; train one with another smoothing"
            )
        return self.model

    def _written(self, words: list[str]) -> str:
        """The text that tokens spell, each ``</s>`` but the last a new line."""
        vocabulary = self.model.vocabulary
        end = None if vocabulary.eos is None else vocabulary.word(vocabulary.eos)
        lines: list[list[str]] = [[]]
        for word in words[:-1] if words[-1:] == [end] else words:
            if word == end:
                lines.append([])
            else:
                lines[-1].append(word)
        return "\n".join(self.pipeline.detokenize(tokens) for tokens in lines)

    def _evaluate(self, text: str) -> Evaluation:
        return evaluate(self.model, Corpus.from_text(text), pipeline=self.pipeline)


def corpus_of(text: Text | Corpus) -> Corpus:
    """A corpus of files that are named, or the corpus itself."""
    return text if isinstance(text, Corpus) else Corpus(text)


def _check_searches(sampling: Json) -> None:
    """A beam search samples nothing, so an option of sampling beside it is a mistake."""
    usual = {"temperature": 1.0, "stop": True}
    given = ", ".join(name for name, value in sampling.items() if value != usual.get(name))
    if given:
        raise UsageError(f"a beam search does not sample, so {given} has no effect; leave out either it or the beam")
