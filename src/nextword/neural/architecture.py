"""What the families' settings share: their checks, and the output layer that they ask for."""

from collections.abc import Collection, Sequence
from typing import Any

from torch import nn

from nextword.errors import UsageError
from nextword.neural.adaptive import AdaptiveSoftmax
from nextword.neural.losses import Output, Softmax


def check_counts(settings: Any, least: int, *names: str) -> None:
    """Raise UsageError unless the named settings are whole numbers of ``least`` or more."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name}={value!r}: expected a whole number of {least} or more")


def check_shares(settings: Any, *names: str) -> None:
    """Raise UsageError unless the named settings are shares to drop, from 0 to below 1, or None."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not (isinstance(value, int | float) and 0 <= value < 1):
            raise UsageError(f"{name}={value!r}: expected the share to drop, from 0 to below 1")


def check_choice(settings: Any, name: str, choices: Collection[str]) -> None:
    """Raise UsageError unless the named setting is one of ``choices``."""
    value = getattr(settings, name)
    if value not in choices:
        raise UsageError(f"{name}={value!r}: expected one of {', '.join(choices)}")


def check_cutoffs(settings: Any) -> None:
    """Make ``adaptive`` a tuple, which JSON has not. Raises UsageError if the output layer is to be tied as well."""
    cutoffs = tuple(settings.adaptive)
    object.__setattr__(settings, "adaptive", cutoffs)
    if cutoffs and getattr(settings, "tied", False):
        raise UsageError(
            f"adaptive={cutoffs}, tied=True: an adaptive softmax has smaller vectors for rare words, "
            "so they cannot be the embeddings; choose one of the two"
        )


def output_layer(
    hidden_size: int,
    vocab_size: int,
    *,
    excluded: int | None,
    adaptive: Sequence[int] = (),
    tied: nn.Parameter | None = None,
) -> Output:
    """A softmax whose vectors are those of ``tied`` (V, H) if given, or an adaptive one with these cutoffs."""
    if adaptive:
        return AdaptiveSoftmax(hidden_size, vocab_size, cutoffs=adaptive, excluded=excluded)
    return Softmax(hidden_size, vocab_size, excluded=excluded, tied=tied)
