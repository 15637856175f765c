"""Which learning rate to try: the range test of Smith (2017, section 3.3).

The rate rises by the same factor with every step while the loss is watched: it falls slowly, then fast, then explodes.
"""

import math
from typing import NamedTuple

import numpy as np

from nextword.errors import TrainingError
from nextword.neural.language import LanguageObjective
from nextword.neural.network import Network
from nextword.neural.resuming import load_weights, weights_of
from nextword.neural.training import Run, session
from nextword.neural.training_settings import TrainingSettings
from nextword.types import Float_T, Ids_T

_MEMORY = 0.9  # of the moving average that smooths the losses
_EXPLODED = 1.5  # times the lowest loss: there is nothing more to see


class Finding(NamedTuple):
    """Learning rates tried, the smoothed loss after each (nats per token), and the rate at which it fell fastest."""

    rates: list[float]
    losses: list[float]
    best: float


def find_lr(
    network: Network,
    tokens: Ids_T,
    settings: TrainingSettings,
    *,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 100,
) -> Finding:
    """Try rising learning rates on the first batches; the network's weights are as before afterwards.

    The suggestion suits a schedule that warms up to it. Raises TrainingError if the loss never fell.
    """
    settings.check_valid(False)
    objective = LanguageObjective(network, tokens, settings)
    before = {name: weight.clone() for name, weight in weights_of(network).items()}
    with session(settings, interruptible=False) as (group, _):
        run = Run(objective, settings, group=group)
        try:
            found = _losses(run, np.geomspace(lowest, highest, steps).tolist())
        finally:
            run.close()
            load_weights(network, before)
    return suggestion(*found)


def suggestion(rates: list[float], losses: list[float]) -> Finding:
    """The rate at which the loss falls fastest per factor of the rate, before its minimum. Raises TrainingError."""
    smooth, begin = _smoothed(losses), len(losses) // 10  # the average of few losses is noise
    bottom = int(np.argmin(smooth))
    if bottom < begin + 2:
        raise TrainingError(
            f"the loss fell at no learning rate from {rates[0]:g} to {rates[-1]:g}; give more text, or lower rates"
        )
    slopes = np.gradient(smooth[begin : bottom + 1])
    return Finding(rates[: len(losses)], smooth.tolist(), float(rates[begin + int(np.argmin(slopes))]))


def _losses(run: Run, rates: list[float]) -> tuple[list[float], list[float]]:
    """Rates, as far as the loss allows, and the losses before each update, nats per token."""
    losses: list[float] = []
    lowest, epoch = math.inf, 0
    while len(losses) < len(rates):
        for batch in run.batches.epoch(epoch)[: len(rates) - len(losses)]:
            loss, _ = run.step(batch, rates[len(losses)])
            losses.append(float(loss) / batch.predicted)
            lowest = min(lowest, losses[-1])
            if not losses[-1] < _EXPLODED * lowest:
                return rates[: len(losses) - 1], losses[:-1]
        epoch += 1
    return rates, losses


def _smoothed(losses: list[float]) -> Float_T:
    """An exponential moving average, its start corrected."""
    total, found = 0.0, []
    for i, loss in enumerate(losses, start=1):
        total = _MEMORY * total + (1 - _MEMORY) * loss
        found.append(total / (1 - _MEMORY**i))
    return np.array(found)
