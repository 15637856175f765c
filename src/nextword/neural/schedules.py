"""Learning-rate schedules: the share of the highest rate at each point of a run, from 0 (its start) to 1 (its end).

A run may be measured in steps, epochs or minutes, so a schedule knows only the progress made. ``plateau`` depends on
the validation text instead: each measurement that is not the best yet divides the rate by 4, as the word language
model of PyTorch's examples does.
"""

import math

PLATEAU_DIVISOR = 4.0
_USUAL_WARMUP = {"one-cycle": 0.3, "cosine": 0.05, "linear": 0.05, "plateau": 0.0, "constant": 0.0}
_ONE_CYCLE_START = 1 / 25  # Smith & Topin 2019, with the numbers that PyTorch's OneCycleLR and fastai use
_ONE_CYCLE_END = 1 / 250_000
_COSINE_END = 0.0


def rate(schedule: str, progress: float, warmup: float | None = None) -> float:
    """The share of the highest learning rate at ``progress``; 1 at the end of the warm-up.

    one-cycle: up from 1/25 and down to almost nothing, both along half a cosine. cosine: a straight line up, half a
    cosine down to 0. linear: straight lines up and down to 0. constant, plateau: 1 after the warm-up.

    >>> [round(rate("one-cycle", progress), 3) for progress in (0, 0.3, 0.65, 1)]
    [0.04, 1.0, 0.5, 0.0]
    """
    share = _USUAL_WARMUP[schedule] if warmup is None else warmup
    progress = min(max(progress, 0.0), 1.0)
    if progress < share:
        return _warming(schedule, progress / share)
    done = (progress - share) / (1 - share)
    if schedule == "one-cycle":
        return _half_cosine(1.0, _ONE_CYCLE_END, done)
    if schedule == "cosine":
        return _half_cosine(1.0, _COSINE_END, done)
    return 1.0 - done if schedule == "linear" else 1.0


def _warming(schedule: str, done: float) -> float:
    return _half_cosine(_ONE_CYCLE_START, 1.0, done) if schedule == "one-cycle" else done


def _half_cosine(begin: float, end: float, done: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * done)) / 2
