"""Hidden units over a text, and how each goes along with a pattern of it (Karpathy, Johnson and Li 2016)."""

from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.explain.spelt import Spelt, read_spelt
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Float_T

MOST_TOKENS = 5000
HIDDEN = "hidden"
SHIFTS = 199  # of the pattern along the text, to see what correlation is to be had by chance


class Units(NamedTuple):
    """What a model's units are after each token of a text. values: (T, H) float32, row t once token t is read."""

    text: Spelt
    values: Array


def part_names(model: Any) -> list[str]:
    """The parts of a model's state that can be looked at, ``hidden`` first; none for a model without hidden units.

    hidden: what predicts the next token. h1, c1, h2 …: of a recurrent model, each layer's output and, of an LSTM, its
    cells; the last layer's output is ``hidden`` itself.
    """
    if not hasattr(model, "token_log_probs_and_hidden"):
        return []
    from nextword.neural.states import layer_names

    names = layer_names(model)
    return [HIDDEN, *(name for name in names if name != _last_output(names))]


def _last_output(names: list[str]) -> str | None:
    """Which of the parts of a recurrent model's state its predictions are made of."""
    return max((name for name in names if name.startswith("h")), key=lambda name: int(name[1:]), default=None)


def hidden_units(model: Any, pipeline: Pipeline, text: str, *, part: str = HIDDEN) -> Units:
    """A part of the state after each token of a text, ``</s>`` at each line's end included.

    part: one of ``part_names``. Raises UsageError for another, for a model that has none and for a text of more than
    ``MOST_TOKENS`` or no tokens, and TextError for one that cannot be read.
    """
    known = part_names(model)
    if not known:
        kind = getattr(model, "kind", type(model).__name__)
        article = "an" if kind == "ngram" else "a"
        raise UsageError(
            f"{article} {kind} model has no hidden units; choose a recurrent model, a transformer or a window"
        )
    if part not in known:
        raise UsageError(f"part={part!r}: this model has {', '.join(known)}")
    spelt = read_spelt(model, pipeline, text, most=MOST_TOKENS)
    from nextword.neural.states import layer_names, layer_states

    wanted = _last_output(layer_names(model)) if part == HIDDEN else part
    if wanted is not None:
        return Units(spelt, layer_states(model, spelt.ids, wanted))
    # The state after a token is the one that predicts the next; a token more, whichever, shows that after the last.
    ids = np.append(spelt.ids, model.vocabulary.eos).astype(np.int32)
    _, hidden, _ = model.token_log_probs_and_hidden(ids[None])
    return Units(spelt, hidden[0, 1:].astype(np.float32))


def correlations(values: Array, signal: Float_T) -> Float_T:
    """Pearson's correlation of each unit with a signal, (T, H) and (T,) to (H,); NaN where either does not vary."""
    units, other = _standard(values), _standard(signal[:, None])
    return np.asarray((units * other).mean(axis=0).clip(-1, 1))


def chance_level(values: Array, signal: Float_T, *, shifts: int = SHIFTS, share: float = 0.95) -> float:
    """The absolute r that the best unit of ``values`` stays below by chance in ``share`` of cases; NaN for no text.

    The signal is moved along the text, what leaves its end entering at its beginning: so it keeps its shape, and has
    nothing more to do with what the units saw. With hundreds of units one of them goes along with anything.
    """
    size = len(signal)
    count = min(shifts, size - 1)
    if count < 1:
        return float("nan")
    moves = np.unique(np.arange(1, count + 1) * size // (count + 1))
    moved = np.stack([np.roll(signal, move) for move in moves[moves > 0]], axis=1)  # (T, shifts)
    found = np.abs(np.nan_to_num(_standard(moved)).T @ np.nan_to_num(_standard(values))) / size
    return float(np.quantile(found.max(axis=1), share)) if found.size else float("nan")


def by_strength(r: Float_T) -> Array:
    """Units by falling absolute r, equal ones by number; those without one last, (H,)."""
    return np.argsort(-np.nan_to_num(np.abs(r), nan=-1.0), kind="stable")


def _standard(values: Array) -> Array:
    """Columns less their means, over their standard deviations, float64; NaN in one that does not vary.

    Rounding alone makes a constant's deviation some 1e-16 of its size, float32 activations 1e-8.
    """
    wide = values.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    varies = deviation > 1e-7 * np.abs(wide).max(axis=0, initial=0.0)
    return np.asarray(np.divide(centred, deviation, where=varies, out=np.full_like(centred, np.nan)))
