"""How far back a network learns: the norm of the gradient against the distance between a loss and an input.

Through an Elman network a gradient passes one matrix product and one derivative a step, and so vanishes, or explodes,
exponentially with the distance (Bengio et al. 1994; Pascanu et al. 2013); the gates of an LSTM or a GRU let it pass.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nextword import durable
from nextword.errors import UsageError
from nextword.neural import require_torch
from nextword.neural.metrics import require_matplotlib
from nextword.tasks.explain.gradients import influences, is_network
from nextword.types import Array, Float_T, Ids_T, Json

STEPS = 40  # the furthest distance that is shown
SIZE, VOCABULARY, TEXTS, EXPLODING = 32, 50, 4, 8.0
_REFERENCE_TEXTS = 2  # contributions are (T, T, H, H) numbers each
_AT_ONCE = 64  # tokens whose gradients are taken together; each goes back through all of them
_LEAST = 1e-12  # norms below are not drawn
_SUFFIXES = (".png", ".svg")


@dataclass(frozen=True)
class ByDistance:
    """A network's gradient norms: entry d is the mean over predictions of that with respect to the input d steps back.

    name: of the model. what: what the gradient is of, in words. trained: whether it was. norms: from distance 0, the
    input read just before the prediction. counts: how many predictions each is the mean of.
    """

    name: str
    what: str
    trained: bool
    norms: tuple[float, ...]
    counts: tuple[int, ...]

    def to_json(self) -> Json:
        """For programs."""
        return asdict(self)


def norms_by_distance(model: Any, ids: Ids_T, *, name: str = "", steps: int = STEPS) -> ByDistance:
    """Of a trained network over a text, (T,) ids: the mean norm of the gradient of log p at distances 0 to ``steps``.

    The text is read in pieces. Raises UsageError for a model that is no network, and for an empty text.
    """
    if not len(ids):
        raise UsageError("the text is empty: there is no gradient to look at; give one with at least one line")
    rows = [row for piece in pieces(model, ids) for row in rows_by_distance(model, piece)]
    return mean_by_distance(rows, name=name or model.kind, steps=steps)


def pieces(model: Any, ids: Ids_T) -> list[Ids_T]:
    """What of a text, (T,) ids, a network is asked at once: sentences of a sentence model, stretches of a stream."""
    size = _AT_ONCE
    if model.context_length is not None and model.kind != "window":
        size = min(size, model.context_length)
    cuts = np.arange(size, len(ids), size)
    if model.scope == "sentence":
        cuts = np.flatnonzero(ids == model.vocabulary.eos) + 1
    return [piece[:size] for piece in np.split(ids, cuts) if len(piece)]


def rows_by_distance(model: Any, piece: Ids_T) -> list[Float_T]:
    """Of each token of a piece, (T,) ids, the norms of the gradient by distance, the nearest input first."""
    return [np.array(one.norms[::-1]) for one in influences(model, piece, [""] * len(piece))]


def mean_by_distance(rows: Sequence[Float_T], *, name: str, steps: int = STEPS) -> ByDistance:
    """The mean of ``rows_by_distance`` of a trained network's pieces."""
    return _mean(rows, name, "log-probability, by input embedding", True, steps)


def untrained(
    *, size: int = SIZE, steps: int = STEPS, texts: int = TEXTS, exploding: float = EXPLODING, seed: int = 0
) -> list[ByDistance]:
    """Elman, GRU and LSTM networks of equal size before training, on random tokens, and an Elman with large weights.

    size: of embeddings and hidden units. exploding: the factor on the recurrent weights of the last. The first Elman
    network is also taken through ``neural.reference``, whose backpropagation is written out: there the norms are of
    what each step contributes to the gradient of the recurrent weights W_h. Raises UsageError without PyTorch.
    """
    require_torch()
    random = np.random.default_rng(seed)
    tokens = random.integers(0, VOCABULARY, (texts, steps + 2)).astype(np.int32)
    kinds = [("Elman", "rnn", 1.0), ("GRU", "gru", 1.0), ("LSTM", "lstm", 1.0)]
    kinds.append((f"Elman, recurrent weights × {exploding:g}", "rnn", exploding))
    found = [_untrained(name, kind, tokens, steps, size=size, scale=scale, seed=seed) for name, kind, scale in kinds]
    return [*found, _contributions(tokens[:_REFERENCE_TEXTS], steps, size=size, seed=seed)]


def _untrained(name: str, kind: str, tokens: Array, steps: int, *, size: int, scale: float, seed: int) -> ByDistance:
    from nextword.neural.explaining import random_network, state_gradients

    network = random_network(kind, vocab_size=VOCABULARY, size=size, scale=scale, seed=seed)
    rows = []
    for row in tokens:
        norms = state_gradients(network, row[:-1], row[1:])
        rows += [norms[t, t::-1] for t in range(len(norms))]
    return _mean(rows, name, "loss, by input embedding", False, steps)


def _contributions(tokens: Array, steps: int, *, size: int, seed: int) -> ByDistance:
    """Backpropagation through time, unsummed: what each step adds to the gradient of W_h.

    The first step adds nothing, since the state before it is 0, and is left out.
    """
    from nextword.neural.reference import ReferenceNetwork

    network = ReferenceNetwork.initial(VOCABULARY, embedding_size=size, hidden_size=size, seed=seed)
    rows = []
    for row in tokens:
        norms = network.contribution_norms(row)
        rows += [norms[t, t:0:-1] for t in range(1, len(norms))]
    return _mean(rows, "Elman, written out", "loss, by the recurrent weights at one step", False, steps)


def _mean(rows: Sequence[Array], name: str, what: str, trained: bool, steps: int) -> ByDistance:
    """Column means of rows of unequal length."""
    sums, counts = np.zeros(steps + 1), np.zeros(steps + 1, dtype=np.int64)
    for row in rows:
        longest = min(len(row), steps + 1)
        sums[:longest] += row[:longest]
        counts[:longest] += 1
    seen = counts > 0
    means = (sums[seen] / counts[seen]).tolist()
    return ByDistance(name, what, trained, tuple(means), tuple(counts[seen].tolist()))


def plot_distances(found: Sequence[ByDistance], path: Path) -> None:
    """Draw the norms against distance, on a logarithmic axis, as PNG or SVG.

    Raises UsageError for another kind of file, before the work by ``check_plot``, and where matplotlib is missing.
    """
    check_plot(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
    axes: Any = figure.add_subplot()
    styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
    for i, one in enumerate(found):
        shown = np.where(np.array(one.norms) > 0, one.norms, np.nan)
        label = f"{one.name}{'' if one.trained else ', untrained'}"
        axes.plot(np.arange(len(shown)), shown, color=f"C{i}", linestyle=styles[i % len(styles)], label=label, lw=1.8)
    positive = [norm for one in found for norm in one.norms if norm > 0]
    axes.set(yscale="log", xlabel="distance t − k, in tokens", ylabel="mean norm of the gradient")
    axes.set_ylim(max(min(positive, default=_LEAST), _LEAST) / 2, 2 * max(positive, default=1.0))
    axes.set_title("How far back the gradient reaches")
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    with durable.system_errors_named(path, "written"), rc_context({"svg.hashsalt": "nextword"}):
        figure.savefig(path, format=path.suffix[1:].lower(), metadata={"Date": None} if _is_svg(path) else None)


def check_plot(path: Path) -> None:
    """Raise UsageError for a plot that cannot be drawn."""
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: a plot is a {' or '.join(_SUFFIXES)} file; give it such a name")
    require_matplotlib()


def _is_svg(path: Path) -> bool:
    return path.suffix.lower() == ".svg"


def check_network(model: Any, name: str) -> None:
    """Raise UsageError for a model that has no gradients."""
    if not is_network(model):
        kind = getattr(model, "kind", type(model).__name__)
        raise UsageError(f"{name}: a {kind} model is no network and has no gradients; give a neural language model")
