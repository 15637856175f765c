"""What an n-gram model holds of each n-gram of a sentence: for whoever wants to see how a probability came about.

K is the model's order. All families answer alike; those whose tables list no n-grams are asked for probabilities that
tell what is there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nextword.ngram import scoring
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.history import HistoryModel
from nextword.ngram.kernels import LN10
from nextword.types import Array, Ids_T


class Held(NamedTuple):
    """Of the n-grams that end at each token, and of the contexts before it; NaN where the model holds none.

    log_probs: (T, K) nats, in column k - 1 what is stored for the k-gram that ends there. log_weights: (T, K - 1) nats,
    in column k - 1 the back-off weight of the k words before the token.
    """

    log_probs: Array
    log_weights: Array


def held(model: HistoryModel, sentence: Ids_T, positions: Sequence[int] | None = None) -> Held:
    """What the model holds for a sentence, (T,) ids that follow ``<s>``. Raises VocabularyError for an unknown id.

    positions: the tokens whose rows are wanted, as asking takes long for a long text; others may be left NaN.

    A quantised model's back-off weight shows in the probability of a word that does not follow the context, the token
    itself or ``<unk>``; where neither tells it, because both follow it or have probability 0, it is NaN.
    """
    model._check_ids(sentence)
    if isinstance(model, BackoffModel):
        return _in_table(model, sentence)
    return _by_asking(model, sentence, range(len(sentence)) if positions is None else positions)


def _in_table(model: BackoffModel, sentence: Ids_T) -> Held:
    stream = np.append(model.eos, sentence).astype(np.int32)  # </s> stands for the <s> after it
    nodes = np.zeros((len(stream), model.order), dtype=np.int64)
    scoring.match(stream, model.order, model.bos, model.eos, model.table, len(model), nodes)
    there = nodes > 0
    there[:, 0] = True
    log_probs = np.full((len(sentence), model.order), np.nan)
    log_probs[there[1:]] = [_log10_prob(model, g) * LN10 for g in nodes[1:][there[1:]].tolist()]
    contexts, known = nodes[:-1, :-1].copy(), there[:-1, :-1].copy()
    begun = stream[:-1] == model.eos
    contexts[begun, :1], known[begun, 1:] = model.bos, False
    log_weights = np.full(contexts.shape, np.nan)
    log_weights[known] = model.inner[contexts[known], 1].astype(np.float64) * LN10
    return Held(log_probs, log_weights)


def _log10_prob(model: BackoffModel, ngram: int) -> float:
    below = len(model.inner)
    return float(model.inner[ngram, 0] if ngram < below else model.leaf[ngram - below])


def _by_asking(model: HistoryModel, sentence: Ids_T, positions: Sequence[int]) -> Held:
    """Probabilities after ever longer contexts: that of a k-gram which is there is stored, in others is a weight."""
    log_probs = np.full((len(sentence), model.order), np.nan)
    log_weights = np.full((len(sentence), model.order - 1), np.nan)
    for t in positions:
        history = np.append(model.bos, sentence[:t])
        longest = min(model.order, t + 2)
        own = [_asked(model, history[len(history) - k :], int(sentence[t])) for k in range(longest)]
        for k, (log_prob, found) in enumerate(own):
            if found == k + 1:
                log_probs[t, k] = log_prob
        for k in range(1, longest):
            context = history[len(history) - k :]
            if k > 1 and _asked(model, context[:-1], int(context[-1]))[1] < k:
                break
            unknown = [_asked(model, context[begin:], model.vocabulary.unk or 0) for begin in (0, 1)]
            for (longer, found), (shorter, _) in ((own[k], own[k - 1]), unknown):
                if found <= k and shorter > -np.inf:
                    log_weights[t, k - 1] = longer - shorter
                    break
    return Held(log_probs, log_weights)


def _asked(model: HistoryModel, context: Ids_T, word: int) -> tuple[float, int]:
    """Log-probability of a word after a context, nats, and the order of the longest n-gram found."""
    scores, orders = model.score_stream(np.concatenate([[-1], context, [word]]).astype(np.int32))
    return float(scores[-1]), int(orders[-1])
