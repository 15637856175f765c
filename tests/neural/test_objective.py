"""The training loop on something that is no language model: a line fitted to points, whose answer is known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dataclasses import replace  # noqa: E402

from nextword.errors import UsageError  # noqa: E402
from nextword.neural import metrics  # noqa: E402
from nextword.neural.objective import Measured, Objective  # noqa: E402
from nextword.neural.training import train  # noqa: E402
from nextword.neural.training_settings import TrainingSettings  # noqa: E402
from nextword.text.examples import Examples  # noqa: E402

SETTINGS = TrainingSettings(mode="sentence", batch_size=4, epochs=40, lr=0.1, weight_decay=0.0, precision="float32",
                            device="cpu", threads=1, log_every=10)  # fmt: skip
X = np.linspace(-1, 1, 22, dtype=np.float32)
Y = 3 * X + 1


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(()))
        self.start = torch.nn.Parameter(torch.zeros(()))
        self.frozen = torch.nn.Parameter(torch.full((3, 2), 7.0), requires_grad=False)


class Fit(Objective):
    measures = True

    def __init__(self, settings, x=X, y=Y):
        self.module = Line()
        self.batches = Examples(np.ones(len(x)), batch_size=settings.batch_size, seed=settings.seed)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)

    def loss(self, batch, rows, state):
        which = batch.rows[rows]
        wrong = self.module.slope * self.x[which] + self.module.start - self.y[which]
        return (wrong**2).sum(), state

    def measure(self, group):
        assert not self.module.training and not torch.is_grad_enabled()
        slope, _ = found(self)
        return Measured(abs(slope - 3), {"valid_slope": slope})

    def identity(self):
        return {"text": "points", "network": {"kind": "line"}}


def found(objective):
    return objective.module.slope.item(), objective.module.start.item()


def test_the_line_is_found():
    objective = Fit(SETTINGS)
    report = train(objective, SETTINGS)
    assert found(objective) == pytest.approx((3, 1), abs=0.01)
    assert (report.steps, report.tokens, report.stopped) == (40 * 6, 40 * 22, "epochs")  # 5 batches of 4, one of 2
    assert report.valid_loss == pytest.approx(0, abs=0.01)
    assert not objective.module.training
    assert (objective.module.frozen == 7).all()


def test_the_gradient_is_that_of_the_batch_mean():
    settings = replace(SETTINGS, batch_size=22, epochs=None, steps=1, optimizer="sgd", schedule="constant", clip=None)
    objective = Fit(settings)
    train(objective, settings)
    slope, start = -2 * np.mean(X * Y), -2 * np.mean(Y)  # of the mean of (0x + 0 - y)², by hand
    expected = (-0.1 * slope, -0.1 * start)
    assert found(objective) == pytest.approx(expected, rel=1e-5)
    parts = Fit(settings)
    train(parts, replace(settings, accumulate=3))
    assert found(parts) == pytest.approx(expected, rel=1e-5)


def test_a_run_goes_on_where_it_was_stopped(tmp_path):
    whole, resumed = Fit(SETTINGS), Fit(SETTINGS)
    report = train(whole, SETTINGS)

    def stop(status):
        if status.step == 33:
            raise KeyboardInterrupt

    settings = replace(SETTINGS, checkpoint_every=0)
    with pytest.raises(KeyboardInterrupt):
        train(Fit(SETTINGS), settings, directory=tmp_path, watch=stop)
    seen = []
    again = train(resumed, settings, directory=tmp_path, resume=True, watch=seen.append)
    assert seen[0].step in (33, 34)
    assert again._replace(seconds=0) == report._replace(seconds=0)
    assert found(resumed) == found(whole)
    assert seen[-2].figures["valid_slope"] == pytest.approx(3, abs=0.05)
    lines = metrics.read(tmp_path)
    of_training = next(line for line in lines if "loss" in line)
    assert {*of_training} == {
        "step", "epoch", "tokens", "seconds", "loss", "lr", "gradient_norm", "tokens_per_second",
    }  # fmt: skip
    assert {*next(line for line in lines if "best" in line)} == {
        "step", "epoch", "tokens", "seconds", "valid_loss", "valid_slope", "best",
    }  # fmt: skip


def test_what_is_measured_is_drawn_on_an_axis_of_its_own(tmp_path, monkeypatch):
    """Training is in nats, the measure an error rate, say: one axis for both would compare them."""
    figure = pytest.importorskip("matplotlib.figure")
    drawn = []
    monkeypatch.setattr(figure.Figure, "legend", lambda self, **_: drawn.append(self))
    train(Fit(SETTINGS), SETTINGS, directory=tmp_path)
    for apart in (False, True):
        assert metrics.plot(tmp_path, apart=apart).read_bytes().startswith(b"\x89PNG")
    assert [len(one.axes) for one in drawn] == [1, 2]
    assert [[line.get_label() for line in axes.lines] for axes in drawn[1].axes] == [["training"], ["validation"]]


def test_patience_needs_something_to_measure():
    settings = replace(SETTINGS, patience=3)
    objective = Fit(settings)
    objective.measures = False
    with pytest.raises(UsageError, match="patience needs a validation text"):
        train(objective, settings)
