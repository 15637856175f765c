"""KenLM's module, or with the argument ``ours`` our drop-in, at work on the same calls: a ``timing.Worker``."""

import sys
import time
from pathlib import Path
from typing import Any

from timing import Json, serve

if sys.argv[1:] == ["ours"]:
    import nextword.interfaces.kenlm as kenlm
else:
    import kenlm

_models: dict[str, Any] = {}


def load(model: str, sentence: str) -> Json:
    """From opening a model, in this process, to the first probability."""
    begin = time.perf_counter()
    log10 = kenlm.Model(model).score(sentence)
    return {"seconds": time.perf_counter() - begin, "log10": log10}


def score(model: str, text: str, sentences: int) -> Json:
    """One ``score`` a sentence, of ``str``."""
    call, lines = _open(model).score, _lines(text, sentences)
    begin = time.perf_counter()
    total = 0.0
    for line in lines:
        total += call(line)
    return {"seconds": time.perf_counter() - begin, "log10": total}


def full_scores(model: str, text: str, sentences: int) -> Json:
    """Every word of ``full_scores``."""
    call, lines = _open(model).full_scores, _lines(text, sentences)
    begin = time.perf_counter()
    total = 0.0
    for line in lines:
        for log10, _length, _oov in call(line):
            total += log10
    return {"seconds": time.perf_counter() - begin, "log10": total}


def base_score(model: str, text: str, sentences: int) -> Json:
    """``BaseScore`` word by word, with two states by turns, as decoders do."""
    opened, words = _open(model), [[*line.split(), "</s>"] for line in _lines(text, sentences)]
    call, state, after = opened.BaseScore, kenlm.State(), kenlm.State()
    begin = time.perf_counter()
    total = 0.0
    for sentence in words:
        opened.BeginSentenceWrite(state)
        for word in sentence:
            total += call(state, word, after)
            state, after = after, state
    return {"seconds": time.perf_counter() - begin, "log10": total}


def _lines(text: str, sentences: int) -> list[str]:
    with Path(text).open(encoding="utf-8") as file:
        return [line for line, _ in zip(file, range(sentences), strict=False)]


def _open(model: str) -> Any:
    if model not in _models:
        _models[model] = kenlm.Model(model)
    return _models[model]


if __name__ == "__main__":
    serve({"load": load, "score": score, "full_scores": full_scores, "base_score": base_score})
