"""How a network is trained, beside what it is; needs no PyTorch."""

from dataclasses import dataclass, fields, replace
from typing import Any

from nextword.errors import UsageError

LANGUAGE_MODELS = ("window", "rnn", "gru", "lstm", "transformer")  # the kinds of network that are language models
MODES = ("stream", "sentence", "blocks")
OPTIMIZERS = ("adamw", "adam", "sgd", "muon")
SCHEDULES = ("one-cycle", "cosine", "linear", "plateau", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
FREE = ("device", "threads", "checkpoint_every")  # may differ when a run is resumed: they change no formula
USUAL_EPOCHS = 10


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of ``train_network``. Raises UsageError for values that make no sense.

    mode: ``stream`` reads running text in ``batch_size`` rows, ``bptt`` tokens at a time, and carries the state on,
    detached (truncated backpropagation through time); ``sentence`` shuffles sentences; ``blocks`` reads ``bptt`` tokens
    from anywhere. shift: each epoch of streams begins elsewhere. vary_bptt: their length varies (Merity et al. 2018).

    epochs, steps, minutes: what ends the training, whichever comes first, and what the schedule's progress is measured
    by (minutes depend on the machine: such a run is never quite repeated). patience: stop after that many measurements
    of the validation text in a row that brought nothing better.

    optimizer: adamw, adam, sgd, or muon for the matrices inside the network and adamw for the rest (slower steps, far
    fewer of them). lr: the highest learning rate; matrix_lr: that of muon's matrices. schedule, warmup: see
    ``schedules``; warmup is a share of the run. momentum: of SGD.
    clip: largest norm of all gradients together, or None. accumulate: rows of a batch are computed in that many parts,
    one after another: less memory, the same model. ema: decay of an exponential moving average of the weights, which is
    then what is measured and kept.

    eval_every: steps between measurements of the validation text; after each epoch unless given. log_every: steps
    between lines of metrics. checkpoint_every: seconds between checkpoints.
    """

    mode: str = "stream"
    batch_size: int = 32
    bptt: int = 35
    shift: bool = True
    vary_bptt: bool = False
    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    patience: int | None = None
    optimizer: str = "adamw"
    lr: float = 0.003
    matrix_lr: float = 0.02
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    weight_decay: float = 0.01
    clip: float | None = 1.0
    schedule: str = "one-cycle"
    warmup: float | None = None
    accumulate: int = 1
    ema: float = 0.0
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    eval_every: int | None = None
    log_every: int = 50
    checkpoint_every: float = 300.0

    def __post_init__(self) -> None:
        for name, choices in (
            ("mode", MODES), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", PRECISIONS),
        ):  # fmt: skip
            value = getattr(self, name)
            if value not in choices:
                raise UsageError(f"unknown {name} {value!r}; choose one of {', '.join(choices)}")
        for name in ("batch_size", "bptt", "epochs", "steps", "patience", "accumulate", "eval_every", "log_every"):
            _check_number(name, getattr(self, name), whole=True, least=1)
        for name in ("minutes", "lr", "matrix_lr", "clip"):
            _check_number(name, getattr(self, name), above=0)
        for name in ("momentum", "ema", "warmup", *(f"betas[{i}]" for i in range(2))):
            value = self.betas[int(name[-2])] if "[" in name else getattr(self, name)
            _check_number(name, value, least=0, below=1)
        _check_number("weight_decay", self.weight_decay, least=0)
        _check_number("checkpoint_every", self.checkpoint_every, least=0)
        if self.epochs is None and self.steps is None and self.minutes is None:
            object.__setattr__(self, "epochs", USUAL_EPOCHS)

    def check_valid(self, given: bool) -> None:
        """Raise UsageError if a setting needs a validation text and none is given."""
        if not given and (self.patience is not None or self.schedule == "plateau"):
            what = "patience" if self.patience is not None else "the plateau schedule"
            raise UsageError(f"{what} needs a validation text to go by; give one with valid (--valid FILE)")


_WINDOW = {"mode": "sentence", "batch_size": 32, "bptt": 128, "lr": 0.003}
_RECURRENT = {"mode": "stream", "batch_size": 32, "bptt": 35, "lr": 0.004, "clip": 1.0}
_TRANSFORMER = {"mode": "blocks", "batch_size": 16, "bptt": 128, "lr": 0.002, "schedule": "cosine", "weight_decay": 0.1}
_CLASSIFIER = {
    "mode": "sentence", "batch_size": 50, "lr": 0.001, "weight_decay": 0.0, "schedule": "constant", "clip": None,
    "patience": 4, "precision": "float32",
}  # fmt: skip
USUAL: dict[str, dict[str, Any]] = {  # kind → what of its settings is not TrainingSettings' own usual value
    "window": _WINDOW,
    "rnn": {**_RECURRENT, "lr": 0.001, "clip": 0.25},
    "gru": _RECURRENT,
    "lstm": _RECURRENT,
    "transformer": {**_TRANSFORMER, "betas": (0.9, 0.99)},
    "cnn": {**_CLASSIFIER, "epochs": 8},
    "rnn-classifier": {**_CLASSIFIER, "epochs": 6, "lr": 0.002},
    "tagger": {"mode": "sentence", "batch_size": 32, "lr": 0.003, "weight_decay": 0.01},
    "parser": {"mode": "sentence", "batch_size": 24, "lr": 0.003, "betas": (0.9, 0.99), "epochs": 6},
    "translator": {"mode": "sentence", "batch_size": 128, "lr": 0.002, "warmup": 0.1, "ema": 0.999, "epochs": 10},
}


def usual_settings(kind: str, **given: Any) -> TrainingSettings:
    """What trains a kind of network well, with what is given in its place. Raises UsageError."""
    unknown = set(given) - {field.name for field in fields(TrainingSettings)}
    if unknown:
        raise UsageError(f"unknown setting {min(unknown)!r}; a {kind} model is trained with those of TrainingSettings")
    return replace(TrainingSettings(), **{"epochs": None, **USUAL[kind], **given})


def _check_number(
    name: str,
    value: float | None,
    *,
    whole: bool = False,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise UsageError for a value out of its range; None is in every range."""
    if value is None:
        return
    fits = (
        isinstance(value, int if whole else (int, float))
        and not isinstance(value, bool)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (below is None or value < below)
        and value < float("inf")
    )
    if not fits:
        bounds = [f"{word} {bound:g}" for word, bound in (("at least", least), ("above", above), ("below", below))
                  if bound is not None]  # fmt: skip
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{name} is {value}; give {kind} {' and '.join(bounds)}")
