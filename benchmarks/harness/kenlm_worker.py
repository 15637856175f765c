"""KenLM's Python module at work: run by an interpreter that has it, and not nextword.

``python kenlm_worker.py MODEL TEXT`` prints the perplexity; without arguments it is a ``timing.Worker``.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import kenlm
from timing import Json, serve

LN10 = math.log(10)
_models: dict[str, Any] = {}


def evaluate(model: str, text: str) -> Json:
    """Perplexity, from the raw file; ``score_seconds`` is the sum of ``score`` alone, without counting tokens."""
    lm = _open(model)
    begin = time.perf_counter()
    total, tokens = 0.0, 0
    with Path(text).open("rb") as lines:  # bytes: the module would only encode strings again
        for line in lines:
            total += lm.score(line)
    scored = time.perf_counter()
    with Path(text).open("rb") as lines:
        for line in lines:
            tokens += len(line.split()) + 1
    end = time.perf_counter()
    figures = {"perplexity": math.exp(-total * LN10 / tokens), "tokens": tokens}
    return {"seconds": end - begin, "score_seconds": scored - begin, **figures}


def load(model: str, sentence: str) -> Json:
    """From opening a model to the first probability."""
    begin = time.perf_counter()
    log_prob = kenlm.Model(model).score(sentence) * LN10
    return {"seconds": time.perf_counter() - begin, "log_prob": log_prob}


def next_words(model: str, contexts: list[str], words: str, k: int) -> Json:
    """A next-word distribution the only way the module has: one look-up for every word of the file ``words``."""
    lm = _open(model)
    with Path(words).open(encoding="utf-8") as file:
        vocabulary = file.read().split("\n")
    seconds, tops = [], []
    for context in contexts:
        begin = time.perf_counter()
        state, out = kenlm.State(), kenlm.State()
        lm.BeginSentenceWrite(state)
        for word in context.split():
            lm.BaseScore(state, word, out)
            state, out = out, state
        scores = [lm.BaseScore(state, word, out) for word in vocabulary]
        top = sorted(zip(scores, vocabulary, strict=True), reverse=True)[:k]
        seconds.append(time.perf_counter() - begin)
        tops.append([log10 * LN10 for log10, _ in top])
    return {"seconds": sorted(seconds)[len(seconds) // 2], "tops": tops}


def _open(model: str) -> Any:
    if model not in _models:
        _models[model] = kenlm.Model(model)
    return _models[model]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        model = kenlm.Model(sys.argv[1])
        total, tokens = 0.0, 0
        with Path(sys.argv[2]).open("rb") as lines:
            for line in lines:
                total += model.score(line)
                tokens += len(line.split()) + 1
        print(json.dumps({"perplexity": math.exp(-total * LN10 / tokens), "tokens": tokens}))
    else:
        serve({"evaluate": evaluate, "load": load, "next": next_words})
