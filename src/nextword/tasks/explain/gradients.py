"""Which earlier words a network's probability hangs on: the gradient with respect to each input embedding."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nextword.errors import UsageError
from nextword.neural import require_torch
from nextword.types import Ids_T, Json

MOST_TOKENS = 256  # for which all positions are explained at once
KINDS = ("window", "rnn", "gru", "lstm", "transformer", "pretrained")


@dataclass(frozen=True)
class Influence:
    """What mattered for one token. inputs: the tokens read before it, the first being what a text begins with.

    norms: of the gradient of log p(token) with respect to each one's embedding: how much the probability would change
    with the word. products: gradient times embedding, nats: to the first order, by how much the word as it is raises
    (or lowers) the logarithm. Both have one number for each input. log_prob: nats.
    """

    position: int
    token: str
    inputs: tuple[str, ...]
    log_prob: float
    norms: tuple[float, ...]
    products: tuple[float, ...]

    def to_json(self) -> Json:
        """For programs."""
        return asdict(self)


def is_network(model: Any) -> bool:
    """Whether gradients can be had of a model."""
    return getattr(model, "kind", "") in KINDS


def influences(
    model: Any, ids: Ids_T, tokens: Sequence[str], positions: Sequence[int] | None = None
) -> list[Influence]:
    """What mattered for the tokens at ``positions``, from 0, all of them unless given.

    ids, tokens: (T,), those of one sentence for a sentence model, of running text for a stream model. Raises UsageError
    for a model that is no network, for all positions of more than ``MOST_TOKENS``, and for more than the model's
    context holds.
    """
    if not is_network(model):
        kind = getattr(model, "kind", type(model).__name__)
        raise UsageError(f"a {kind} model is no network and has no gradients; give a neural language model")
    if positions is None and len(ids) > MOST_TOKENS:
        raise UsageError(
            f"the text has {len(ids):,} tokens, and {MOST_TOKENS} are explained at once; choose one by its position"
        )
    require_torch()
    from nextword.neural.explaining import input_gradients

    found = input_gradients(model, ids, positions)
    first = model.vocabulary.word(int(found.read[0]))
    chosen = range(len(ids)) if positions is None else positions
    rows = zip(chosen, found.log_probs.tolist(), found.norms.tolist(), found.products.tolist(), strict=True)
    return [
        Influence(t, tokens[t], (first, *tokens[:t]), log_prob, tuple(norms[: t + 1]), tuple(products[: t + 1]))
        for t, log_prob, norms, products in rows
    ]
