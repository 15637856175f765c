"""The one training loop, for every family of networks and every task.

``Run.train`` is the loop: a batch, its gradients, an update, and now and then a measurement or a checkpoint. What it
decides depends on its ``Place`` alone, which a checkpoint holds beside all arrays and random states; so a run that was
killed goes on as if nothing had happened.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nextword.neural.checkpoint import Checkpoint
from nextword.neural.device import choose_device, choose_precision, set_threads
from nextword.neural.distributed import Group, joined, own_device
from nextword.neural.interrupts import Interrupts
from nextword.neural.metrics import Metrics, Record, Status, Watch
from nextword.neural.network import State, detach
from nextword.neural.objective import Objective, TrainingBatch
from nextword.neural.optimizer import Average, Optimizer
from nextword.neural.place import Place, Report, Sums
from nextword.neural.resuming import Keeper, as_begun, identity_of, load_weights, weights_of
from nextword.neural.training_settings import TrainingSettings
from nextword.text.batches import Epoch
from nextword.types import Json

_STEPS_UNSEEN = 20  # on an accelerator losses are looked at that often: to look is to wait for it


def train(
    objective: Objective,
    settings: TrainingSettings,
    *,
    directory: str | Path | None = None,
    resume: bool = False,
    identity: Json | None = None,
    tensorboard: bool = False,
    watch: Watch | None = None,
    record: Record | None = None,
) -> Report:
    """Train an objective's module in place; it ends in evaluation mode with the weights that measured best.

    directory: where checkpoints and metrics are kept, or None. resume: go on from the checkpoint there; a run that is
    finished is not begun again. identity: what else must be the same then. watch: called with a Status as the run goes
    on; record: with each line of metrics, kept or not. Started by ``torchrun``, each process computes its rows of every
    batch, and the first writes.

    PyTorch's random states are left as they were. Raises UsageError for settings that do not suit, TrainingError if the
    loss is not finite or a checkpoint does not fit, StoreError if one cannot be written or read. Ctrl-C and SIGTERM
    save a checkpoint and raise KeyboardInterrupt.
    """
    settings.check_valid(objective.measures)
    settings = as_begun(directory, settings) if resume and directory is not None else settings
    with session(settings, interruptible=directory is not None) as (group, interrupts):
        run = Run(objective, settings, group=group)
        same = {**identity_of(run), **(identity or {})}
        run.keeper = Keeper(None if directory is None else Checkpoint(directory), same)
        try:
            finished = run.keeper.open(run, resume=resume)
            if finished is not None:
                return finished
            run.watch, run.interrupts = watch, interrupts
            folder = None if directory is None or not group.first else Path(directory)
            resume_at = run.place.step if resume else None
            run.metrics = Metrics(folder, tensorboard=tensorboard, resume_at=resume_at, record=record)
            return run.train()
        finally:
            run.close()


@contextmanager
def session(settings: TrainingSettings, *, interruptible: bool) -> Iterator[tuple[Group, Interrupts]]:
    """What surrounds a run: threads, the processes that share it, random states that are put back, signals."""
    set_threads(settings.threads)
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices), joined() as group, Interrupts(wanted=interruptible) as interrupts:
        yield group, interrupts


class Run:
    """A run in this process: what is trained, its optimiser, and where it stands."""

    def __init__(self, objective: Objective, settings: TrainingSettings, *, group: Group):
        group.check_batch(settings.batch_size, settings.accumulate)
        self.objective, self.settings, self.group = objective, settings, group
        self.batches = objective.batches
        self.device = own_device(choose_device(settings.device))
        self.precision = choose_precision(settings.precision, self.device)
        torch.manual_seed(settings.seed + group.rank)
        objective.place(self.device, self.precision)
        self.module = objective.module
        group.copy_from_first(list(self.module.parameters()))
        self.optimizer = Optimizer(self.module, settings)
        self.average = Average(self.optimizer.parameters, settings.ema)
        self.best: dict[str, Tensor] = {}
        self.place, self.carried = Place(), list[State]()
        self.keeper, self.metrics = Keeper(), Metrics(None)
        self.watch: Watch | None = None
        self.interrupts = Interrupts(wanted=False)
        self._begun, self._asked = time.monotonic(), False
        self._unseen: list[Tensor] = []  # losses and norms that are still on the device
        self._measured: Json = {}  # figures of the last measurement

    def train(self) -> Report:
        """The loop."""
        place, settings = self.place, self.settings
        stopped = place.reason_to_stop(settings)
        while stopped is None:
            epoch = self.batches.epoch(place.epoch)
            for batch in epoch[place.batch :]:
                lr = place.lr(settings)
                loss, norm = self.step(batch, lr * batch.scale)
                place.advance(batch.predicted, len(epoch))
                self._look(loss, norm, lr)
                if self.objective.measures and place.due_to_measure(settings):
                    self.measure()
                stopped = place.reason_to_stop(settings)
                if stopped is not None:
                    break
                self._save_if_due(epoch)
        return self._finish(stopped)

    def step(self, batch: TrainingBatch, lr: float) -> tuple[Tensor, Tensor]:
        """One update of the weights; returns the batch's sum of losses and the norm of its gradient, on the device."""
        self.optimizer.zero_gradients()
        loss = self._compute_gradients(batch)
        loss = self.group.sum_gradients(self.optimizer.parameters, loss)
        norm = self.optimizer.step(lr)
        self.average.update(self.place.step + 1)
        return loss, norm

    def measure(self) -> None:
        """Measure the held-out data with the weights, or their average, and keep them if they are the best yet."""
        self._see()
        begun = time.monotonic()
        with self.average.in_place():
            self.module.eval()
            with torch.no_grad():
                found = self.objective.measure(self.group)
            best = self.place.measured(found.loss, self.settings)
            if best:
                self.best = {name: weight.cpu().clone() for name, weight in weights_of(self.module).items()}
                self.keeper.best_is_new = True
        self.module.train()
        self._tick()
        self.place.sums.seconds += time.monotonic() - begun  # measuring is no training
        self._measured = found.figures
        self._log({"valid_loss": found.loss, **found.figures, "best": best})

    def _compute_gradients(self, batch: TrainingBatch) -> Tensor:
        """Gradients of the mean loss of the whole batch, from this process's rows; returns the sum of their losses."""
        states = [] if batch.fresh else self.carried
        self.carried, total, count = [], torch.zeros((), device=self.device), batch.predicted
        for i, rows in enumerate(self.group.parts(len(batch), self.settings.accumulate)):
            size = rows.stop - rows.start
            state = states[i] if states else self.objective.initial_state(size)
            if size:
                loss, state = self.objective.loss(batch, rows, state)
                (loss / count).backward()
                total += loss.detach()
            self.carried.append(detach(state))
        return total

    def _look(self, loss: Tensor, norm: Tensor, lr: float) -> None:
        """Note a step's loss; from time to time make sure that it is finite, write it down and show it."""
        place = self.place
        self._unseen.append(torch.stack([loss, norm.to(loss)]))
        due = place.sums.steps >= self.settings.log_every
        if due or self.device.type == "cpu" or len(self._unseen) >= _STEPS_UNSEEN:
            self._see()
        self._tick()
        sums = place.sums
        if self._unseen:
            return
        speed = sums.tokens / max(place.seconds - sums.seconds, 1e-9)
        mean = sums.loss / max(sums.tokens, 1)
        if self.watch is not None and self.group.first:
            self.watch(Status.of(place, self.settings, speed=speed, loss=mean, lr=lr, figures=self._measured))
        if due:
            figures = {"lr": lr, "gradient_norm": sums.norm / sums.steps, "tokens_per_second": speed}
            self._log({**self.objective.figures(mean), **figures})
            place.sums = Sums(seconds=place.seconds)

    def _see(self) -> None:
        """Add up the losses and norms that are still on the device. Raises TrainingError if one is not finite."""
        if not self._unseen:
            return
        losses, norms = torch.stack(self._unseen).cpu().double().unbind(dim=1)
        first = self.place.step - len(self._unseen) + 1
        self._unseen = []
        finite = torch.isfinite(losses) & torch.isfinite(norms)
        if not bool(finite.all()):
            worst = int(torch.argmin(finite.int()))
            what = "the gradient" if math.isfinite(losses[worst]) else "the loss"
            self.keeper.stop_for(self, first + worst, what)
        self.place.sums.loss += float(losses.sum())
        self.place.sums.norm += float(norms.sum())

    def _tick(self) -> None:
        """Let the first process's clock, and its wish to stop, hold for all."""
        now = time.monotonic()
        self.place.seconds, asked = self.group.agree(
            [self.place.seconds + now - self._begun, float(self.interrupts.asked)]
        )
        self._begun, self._asked = now, bool(asked)

    def _asked_to_stop(self) -> bool:
        """Whether someone has pressed Ctrl-C; processes that train together find out in the next step."""
        return self._asked or (self.group.size == 1 and self.interrupts.asked)

    def _log(self, figures: Json) -> None:
        place = self.place
        where = {"step": place.step, "epoch": place.epochs, "tokens": place.tokens, "seconds": round(place.seconds, 3)}
        self.metrics.write({**where, **figures})

    def _save_if_due(self, epoch: Epoch[Any]) -> None:
        """Save a checkpoint where the next batch needs no state that rows of unequal length have left."""
        asked = self._asked_to_stop()
        if not (asked or self.keeper.due(self.place.seconds, self.settings.checkpoint_every)):
            return
        batch = self.place.batch
        if self.settings.mode == "stream" or batch == 0 or epoch[batch].fresh:
            self._see()
            self.keeper.save(self)
            if asked:
                raise KeyboardInterrupt

    def _finish(self, stopped: str) -> Report:
        """Give the module its best weights, or their average, and say that the run is finished."""
        if self.objective.measures and self.place.measured_step != self.place.step:
            self.measure()
        self._see()
        if self.best:
            load_weights(self.module, self.best)
        else:
            self.average.keep()
        report = self.place.report(stopped, sum(parameter.numel() for parameter in self.module.parameters()))
        self.keeper.finish(self, report)
        return report

    def close(self) -> None:
        """Leave the module as one that is not trained."""
        self.metrics.close()
        self.objective.close()
        for parameter in self.optimizer.parameters:
            parameter.grad = None
