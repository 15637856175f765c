"""The drop-in's calls for the other n-gram models of ours, such as quantised ones, over ``score_stream``.

They are tens of times slower word by word than the compiled loops, and as fast text by text. States hold as many words
as the longest n-gram found, at times more than they need to, and no back-off weights: the model looks them up.
"""

import numpy as np

from nextword.interfaces.kenlm import kernels
from nextword.interfaces.kenlm.compiled import Calls
from nextword.ngram.history import HistoryModel
from nextword.ngram.kernels import LN10
from nextword.types import Array


def streamed_calls(model: HistoryModel, arrays: dict[str, Array]) -> Calls:
    """``step`` and ``score`` of ``Calls``; what is recorded goes to ``arrays``, as from the compiled loops."""

    def step(context: int, state: bytes, word: bytes) -> tuple[float, int, bytes]:
        known = np.frombuffer(state[: len(state) >> 1], dtype=np.uint32)[: model.order - 1]
        new = _word_id(model, word)
        stream = np.array([-1, *known[::-1].tolist(), new], dtype=np.int32)
        log_probs, found = model.score_stream(stream)
        length = max(int(found[-1]), 1)
        kept = stream[:0:-1][: min(length, model.order - 1)] if new != model.eos else stream[:0]
        packed = kept.astype(np.uint32).tobytes() + bytes(4 * len(kept))
        return float(log_probs[-1]) / LN10, length if new != model.vocabulary.unk else -length, packed

    def score(context: int, text: bytes, bos: bool, eos: bool, record: bool) -> float:
        ids = [
            model.bos if bos else -1,
            *(_word_id(model, word) for word in text.split()),
            *([model.eos] if eos else []),
        ]
        marked = [i for word in ids for i in ((word, -1) if word == model.eos else (word,))]
        stream = np.array(marked, dtype=np.int32)
        log_probs, found = model.score_stream(stream)
        chosen = np.flatnonzero(stream >= 0)[1 if bos else 0 :]
        if record:
            unknown = stream[chosen] == model.vocabulary.unk
            lengths = np.maximum(found[chosen], 1)
            arrays["probs"][: len(chosen)] = log_probs[chosen] / LN10
            arrays["lengths"][: len(chosen)] = np.where(unknown, -lengths, lengths)
            arrays["context"][kernels.TOKENS] = len(chosen)
        return float(log_probs[chosen].sum()) / LN10

    return Calls(step, score)


def _word_id(model: HistoryModel, word: bytes) -> int:
    return model.vocabulary[word.partition(b"\0")[0].decode(errors="surrogateescape")]
