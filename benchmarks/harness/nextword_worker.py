"""nextword at work in a process that stays warm: a ``timing.Worker``. Models are loaded anew for every request."""

import math
import resource
import time
from pathlib import Path
from typing import Any

from timing import PEAK_UNIT, Json, serve

import nextword
from nextword import Smoothing


def train(text: str, out: str, order: int) -> Json:
    """Text to saved model."""
    begin = time.perf_counter()
    nextword.train(text, order=order, smoothing=Smoothing("modified-kneser-ney", like_lmplz=True)).save(out)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT}


def evaluate(model: str, text: str, threads: int) -> Json:
    """Raw file to perplexity; ``load_seconds`` came before and are not in ``seconds``."""
    begin = time.perf_counter()
    lm = nextword.load(model)
    loaded = time.perf_counter()
    found = lm.evaluate(text, threads=threads)
    perplexity = found.perplexity
    seconds = time.perf_counter() - loaded
    return {"seconds": seconds, "load_seconds": loaded - begin, "perplexity": perplexity, "tokens": found.tokens}


def score_lines(model: str, text: str, threads: int) -> Json:
    """A list of lines to a list of scores; loading and reading came before."""
    lm = nextword.load(model)
    lines = Path(text).read_text(encoding="utf-8").split("\n")[:-1]
    begin = time.perf_counter()
    scores = lm.score_lines(lines, threads=threads)
    seconds = time.perf_counter() - begin
    tokens = lm.evaluate(Path(text), threads=threads).tokens
    return {"seconds": seconds, "perplexity": math.exp(-float(scores.sum()) / tokens), "tokens": tokens}


def load(model: str, sentence: str) -> Json:
    """From ``load`` to the first probability."""
    begin = time.perf_counter()
    lm = nextword.load(model)
    log_prob = lm.score(sentence)
    return {"seconds": time.perf_counter() - begin, "log_prob": log_prob, "ngrams": len(lm.model)}


def next_words(model: str, contexts: list[str], k: int) -> Json:
    """Medians over the contexts: ``seconds`` of ``lm.next``, ``distribution_seconds`` of all V log-probabilities."""
    lm = nextword.load(model)
    whole, distribution, tops = [], [], []
    for context in contexts:
        state = lm.model.advance(lm.model.start(1), lm.ids(context)[None])
        begin = time.perf_counter()
        lm.model.log_probs(state)
        middle = time.perf_counter()
        found = lm.next(context, k=k)
        end = time.perf_counter()
        distribution.append(middle - begin)
        whole.append(end - middle)
        tops.append(found.log_probs.tolist())
    return {"seconds": _median(whole), "distribution_seconds": _median(distribution), "tops": tops}


def write_words(model: str, out: str) -> Json:
    """Write the vocabulary, one word a line, without ``<s>``."""
    begin = time.perf_counter()
    vocabulary = nextword.load(model).model.vocabulary
    words = [word for i, word in enumerate(vocabulary.words) if i != vocabulary.bos]
    Path(out).write_text("\n".join(words), encoding="utf-8")
    return {"seconds": time.perf_counter() - begin, "words": len(words)}


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    functions: dict[str, Any] = {"train": train, "evaluate": evaluate, "load": load, "next": next_words}
    serve(functions | {"words": write_words, "score_lines": score_lines})
