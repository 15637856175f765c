"""What models expect next, and what they expected at each step of a text."""

from collections.abc import Sequence
from math import exp, isfinite, log
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Response
from pydantic import Field

from nextword.interfaces.explorer.asked import Asked, ask_all, read, shown
from nextword.interfaces.explorer.contexts import Contexts, key_of
from nextword.interfaces.server.models import Models, Served
from nextword.lm import LM
from nextword.tasks.next import entropies, most_likely, ranks
from nextword.tasks.sampling import Sampling
from nextword.text.bpe import PieceTokenizer
from nextword.types import Float_V, Ids_T, Json

_LN2 = log(2)
_BEFORE = 8  # tokens that decide how the next one is written
_STEPS = 200  # the last tokens of a text whose steps are shown
WHOLE_WORDS = ("whitespace", "word")  # tokenizers whose tokens a prefix can begin

_Short = Annotated[str, Field(max_length=200)]


class NextAsked(Asked):
    """prefix: the beginning of a word that follows the text. word: one to look up. The rest: samplers to try out."""

    k: int = Field(50, ge=1, le=200)
    word: _Short | None = None
    prefix: _Short | None = None
    temperature: float | None = Field(None, ge=0, le=100, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1, le=10_000_000)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, gt=0, le=1)

    def sampling(self) -> Sampling | None:
        """The samplers that are given, if any are."""
        given = {"temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p, "min_p": self.min_p}
        named = {name: value for name, value in given.items() if value is not None}
        return Sampling(**named) if named else None  # type: ignore[arg-type]


class StepsAsked(Asked):
    """k: how many of the words that were expected at a step. prefix: a half typed word, where tokens are no words."""

    k: int = Field(3, ge=1, le=20)
    prefix: _Short | None = None


def router(models: Models) -> APIRouter:
    """``POST /explore/next`` and ``/explore/steps``."""
    routes = APIRouter(prefix="/explore")
    known = {served.name: Contexts(served.lm.model) for served in models}

    @routes.post("/next")
    async def next_words(asked: NextAsked) -> Response:
        """The likeliest next tokens of each model, their probabilities, and the entropy of all, in bits."""

        async def answer(served: Served) -> Json:
            return await served.engine.run(expected, served.lm, known[served.name], asked)

        return await ask_all(models, asked, answer)

    @routes.post("/steps")
    async def steps(asked: StepsAsked) -> Response:
        """For each token of the text: what was expected, the token that came, its probability and rank."""

        async def answer(served: Served) -> Json:
            return await served.engine.run(walked, served.lm, known[served.name], asked)

        return await ask_all(models, asked, answer)

    return routes


def expected(lm: LM, contexts: Contexts, asked: NextAsked) -> Json:
    """What a model expects after a text.

    after: probabilities once the samplers have cut the distribution down. insert: what a token that is no word adds.
    """
    found, prefix = _split(lm, asked)
    row = contexts.log_probs(found.ids)
    vocabulary = lm.model.vocabulary
    likely = most_likely(row, vocabulary, k=asked.k, prefix=prefix)
    show = shown(lm)
    top = [
        {"word": show(word), "probability": p, "id": i}
        for word, p, i in zip(likely.words, likely.probabilities.tolist(), likely.ids.tolist(), strict=True)
    ]
    if lm.pipeline.tokenizer.name not in WHOLE_WORDS:
        for one, added in zip(top, _added(lm, found.tokens, likely.words), strict=True):
            one["insert"] = added
    answer: Json = {"tokens": found.tokens, "top": top, "entropy": likely.entropy, "prefix": prefix}
    answer["prefix_probability"] = likely.prefix_probability if prefix is not None else None
    answer["word"] = None if asked.word is None else _looked_up(lm, row, asked.word)
    sampling = asked.sampling()
    if sampling is not None:
        after = sampling(row[None])
        for one, p in zip(top, np.exp(after[0, likely.ids]).tolist(), strict=True):
            one["after"] = p
        answer |= {"after_entropy": float(entropies(after)[0]), "kept": int(np.isfinite(after).sum())}
    return answer


def _added(lm: LM, tokens: list[str], words: Sequence[str]) -> list[str]:
    """What each token adds to the written text, where tokens are not words with blanks between them."""
    end, before = lm.model.vocabulary.eos, tokens[-_BEFORE:]
    newline = None if end is None else lm.model.vocabulary.word(end)
    if newline in before:
        before = before[len(before) - before[::-1].index(newline) :]
    start = len(lm.pipeline.detokenize(before))
    return ["\n" if word == newline else lm.pipeline.detokenize([*before, word])[start:] for word in words]


def walked(lm: LM, contexts: Contexts, asked: StepsAsked) -> Json:
    """The steps of a text, the last ones if it is long. first: how many tokens come before them."""
    tokens, listed = read(lm, _so_far(lm, asked))
    ids, first = np.array(listed, dtype=np.int32), max(0, len(listed) - _STEPS)
    steps = [_step(lm, contexts, tokens[t], ids[: t + 1], asked.k) for t in range(first, len(ids))]
    return {"first": first, "steps": steps}


def _so_far(lm: LM, asked: StepsAsked) -> str:
    """The text whose tokens are steps: a half typed word is none yet, nor is a blank that a piece begins with."""
    if lm.pipeline.tokenizer.name in WHOLE_WORDS:
        return asked.text
    text = asked.text + (asked.prefix or "")
    return text.rstrip(" ") if isinstance(lm.pipeline.tokenizer, PieceTokenizer) else text


def _step(lm: LM, contexts: Contexts, token: str, ids: Ids_T, k: int) -> Json:
    """The step of the last of ``ids``, which is kept: a text grows at its end."""
    key = key_of(ids) + f"{k} {token}".encode(errors="surrogatepass")
    step = contexts.answers.get(key)
    if step is None:
        step = step_of(contexts.log_probs(ids[:-1]), lm, token, int(ids[-1]), k=k)
        contexts.answers.put(key, step)
    return step


def step_of(row: Float_V, lm: LM, token: str, token_id: int, *, k: int) -> Json:
    """A token that came and what was expected in its place, a distribution (V,) nats; impossible: bits is None."""
    vocabulary, show = lm.model.vocabulary, shown(lm)
    likely = most_likely(row, vocabulary, k=k)
    return {
        "token": show(token),
        "oov": token_id == vocabulary.unk and token != vocabulary.word(token_id),
        **_measured(row, token_id),
        "entropy": likely.entropy,
        "expected": [
            {"word": show(word), "probability": p}
            for word, p in zip(likely.words, likely.probabilities.tolist(), strict=True)
        ],
    }


def _measured(row: Float_V, token_id: int) -> Json:
    log_prob = float(row[token_id])
    rank = int(ranks(row[None], np.array([token_id]))[0])
    return {"probability": exp(log_prob), "bits": -log_prob / _LN2 + 0.0 if isfinite(log_prob) else None, "rank": rank}


def _looked_up(lm: LM, row: Float_V, word: str) -> Json | None:
    """Probability, bits and rank of one word; None if it is not one token, or not in the vocabulary."""
    vocabulary = lm.model.vocabulary
    tokens = [word] if word in vocabulary else read(lm, word).tokens
    return _measured(row, vocabulary[tokens[0]]) if len(tokens) == 1 and tokens[0] in vocabulary else None


class _Found:
    """The tokens of a context, and their ids, (T,) int32."""

    def __init__(self, tokens: list[str], ids: list[int]):
        self.tokens = tokens
        self.ids: Ids_T = np.array(ids, dtype=np.int32)


def _split(lm: LM, asked: NextAsked) -> tuple[_Found, str | None]:
    """The context, and what the next token begins with. Where tokens are not words, what is half typed is context."""
    tokens, ids = read(lm, asked.text + (asked.prefix or ""))
    if asked.prefix and lm.pipeline.tokenizer.name in WHOLE_WORDS and tokens:
        return _Found(tokens[:-1], ids[:-1]), tokens[-1]
    return _Found(tokens, ids), None
