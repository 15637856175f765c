"""A run's arrays and place to a checkpoint and back, and whether a run may go on from what is there."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor

from nextword.errors import TrainingError, UsageError
from nextword.neural.checkpoint import Checkpoint, check_identity
from nextword.neural.place import Place, Report
from nextword.neural.training_settings import FREE, TrainingSettings
from nextword.types import Json

if TYPE_CHECKING:
    from nextword.neural.training import Run

_FREE_AFTER_FAILURE = ("lr", "clip", "precision", "warmup")


class Keeper:
    """Saves a run now and then, and takes up where one was left; without a checkpoint it does nothing."""

    def __init__(self, checkpoint: Checkpoint | None = None, identity: Json | None = None):
        """identity: what must be the same when the run is resumed: objects by what they describe."""
        self.checkpoint = checkpoint
        self.identity: Json = json.loads(json.dumps(identity or {}))  # as it will be read: tuples are lists
        self.best_is_new = False
        self._saved_at = 0.0

    def open(self, run: "Run", *, resume: bool) -> Report | None:
        """Begin a checkpoint, or go on from it; the report if that run is finished, its weights in the network.

        Raises TrainingError if there is nothing to resume, something that would be lost, or another run.
        """
        if self.checkpoint is None:
            if resume:
                raise UsageError("to resume takes the directory with the checkpoint; give directory")
            return None
        if not resume:
            if run.group.first:
                self._refuse_to_overwrite()
            self.save(run)
            return None
        document = self.checkpoint.read()
        if document is None:
            raise TrainingError(
                f"{self.checkpoint.directory}: holds no checkpoint, so there is nothing to resume; start without "
                "resume (--resume)"
            )
        failed = _FREE_AFTER_FAILURE if document.get("failed") else ()
        check_identity(self.checkpoint.directory, document["identity"], self.identity, free=(*FREE, *failed))
        if document.get("finished"):
            self._check_not_saved(document)
            load_weights(run.module, self.checkpoint.tensors("best"))
            if run.group.first:
                self.checkpoint.delete_unnamed()
            return Report(**document["finished"])
        restore(run, document, self.checkpoint)
        self._saved_at = run.place.seconds
        return None

    def due(self, seconds: float, every: float) -> bool:
        """Whether so many seconds have passed since the last checkpoint."""
        return self.checkpoint is not None and seconds - self._saved_at >= every

    def save(self, run: "Run") -> None:
        """Replace the checkpoint; every process takes part, and the first writes. TrainingError for broken weights."""
        if not all(bool(torch.isfinite(weight).all()) for weight in run.optimizer.parameters):
            self.stop_for(run, run.place.step, "a weight")
        arrays = tensors_of(run)
        self._saved_at = run.place.seconds
        if self.checkpoint is None or not run.group.first:
            return
        best = run.best if self.best_is_new else None
        self.checkpoint.write(self._document(run), {"state": arrays, "best": best})
        self.best_is_new = False

    def finish(self, run: "Run", report: Report) -> None:
        """Leave the weights alone, for a model to be made of them."""
        if self.checkpoint is not None and run.group.first:
            document = {**self._document(run), "finished": report._asdict(), "saved": None}
            self.checkpoint.write(document, {"best": weights_of(run.module)})

    def stop_for(self, run: "Run", step: int, what: str) -> NoReturn:
        """Note that ``what`` is not finite, so that the run may be resumed with a lower rate; raises TrainingError."""
        settings = run.settings
        tries = [f"a lower lr (it is {settings.lr:g})"]
        tries.append("clip=1 (there is none)" if settings.clip is None else f"a smaller clip (it is {settings.clip:g})")
        if run.precision == torch.bfloat16:
            tries.append("precision=float32 (it is bfloat16)")
        message = f"{what} is not finite at step {step}; try {', '.join(tries)}, or a longer warmup"
        document = None if self.checkpoint is None else self.checkpoint.read()
        if self.checkpoint is not None and document is not None:
            message += f"; resume (--resume) with that from step {document['place']['step']}, kept in "
            message += str(self.checkpoint.directory)
            if run.group.first:
                self.checkpoint.write({**document, "failed": step}, {"state": None, "best": None})
        raise TrainingError(message)

    def _document(self, run: "Run") -> Json:
        return {"identity": self.identity, "place": asdict(run.place)}

    def _refuse_to_overwrite(self) -> None:
        document = None if self.checkpoint is None else self.checkpoint.read()
        if self.checkpoint is not None and document and not document.get("finished") and document["place"]["step"]:
            raise TrainingError(
                f"{self.checkpoint.directory}: holds an unfinished run, at step {document['place']['step']}; go on "
                "with resume (--resume), or delete that folder to begin anew"
            )

    def _check_not_saved(self, document: Json) -> None:
        if document.get("saved") and self.checkpoint is not None:
            raise TrainingError(f"{self.checkpoint.directory}: {finished_message(document)}")


def as_begun(directory: str | Path, settings: TrainingSettings) -> TrainingSettings:
    """The settings of a run that goes on: the precision that "auto" chose when it was begun holds to its end."""
    document = Checkpoint(directory).read() or {}
    chosen = document.get("identity", {}).get("training", {}).get("precision", "auto")
    return replace(settings, precision=chosen) if settings.precision == "auto" else settings


def finished_message(document: Json) -> str:
    """What is said of a run that is finished and whose model was saved."""
    return (
        f"this run is finished after {document['finished']['steps']:,} steps, and its model is in {document['saved']}; "
        "to train anew, leave out resume (--resume)"
    )


def finished_run(directory: str | Path) -> Json | None:
    """The document of a run in ``directory`` that is finished and whose model was saved, or None."""
    document = Checkpoint(directory).read()
    return document if document and document.get("finished") and document.get("saved") else None


def mark_saved(directory: str | Path, model: str | Path) -> None:
    """Note that a finished run's model is safe in ``model``; its weights need not be kept in ``directory`` too."""
    checkpoint = Checkpoint(directory)
    document = checkpoint.read()
    if document and document.get("finished"):
        checkpoint.write({**document, "saved": str(model)}, {})


def identity_of(run: "Run") -> Json:
    """What must be the same when a run is resumed."""
    return {
        **run.objective.identity(),
        "training": {**asdict(run.settings), "precision": str(run.precision).removeprefix("torch.")},
        "run": {"processes": run.group.size},
    }


def tensors_of(run: "Run") -> dict[str, Tensor]:
    """Everything with numbers in it, by name; on every process but the first, only what the first asks for."""
    found = {f"weights.{name}": weight for name, weight in weights_of(run.module).items()}
    found |= {f"average.{i}": value for i, value in enumerate(run.average.values)}
    found |= {f"optimizer.{name}": value for name, value in run.optimizer.tensors().items()}
    for name, state in _random_states(run.device).items():
        found |= {f"random.{rank}.{name}": each for rank, each in enumerate(run.group.gather(state))}
    if run.settings.mode == "stream":
        for i, parts in enumerate(zip(*run.carried, strict=True)):
            rows = run.group.gather(torch.cat(parts))
            found |= {f"carried.{i}": torch.cat(rows)} if rows else {}
    return found


def restore(run: "Run", document: Json, checkpoint: Checkpoint) -> None:
    """Put a run where the document says, with the arrays of the checkpoint."""
    arrays = checkpoint.tensors("state")
    run.place = Place.from_json(document["place"])
    run.best = checkpoint.tensors("best")
    load_weights(run.module, _part(arrays, "weights"))
    run.optimizer.restore(_part(arrays, "optimizer"))
    for i, value in enumerate(run.average.values):
        value.copy_(arrays[f"average.{i}"])
    held = _part(arrays, "carried")
    carried = [held[str(i)].to(run.device) for i in range(len(held))]
    if carried:
        rows = run.group.parts(len(carried[0]), run.settings.accumulate)
        run.carried = [tuple(part[some] for part in carried) for some in rows]
    _set_random_states(_part(arrays, f"random.{run.group.rank}"), run.device)


def weights_of(network: torch.nn.Module) -> dict[str, Tensor]:
    """A network's parameters, a tied one once."""
    return {name: weight.detach() for name, weight in network.named_parameters()}


@torch.no_grad()
def load_weights(network: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights into a network's parameters."""
    for name, parameter in network.named_parameters():
        parameter.copy_(weights[name])


def _part(arrays: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
