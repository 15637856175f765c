"""Learning rates, settings and the decisions of a run, none of which need PyTorch."""

import math

import pytest

from nextword.errors import UsageError
from nextword.neural.place import Place, perplexity
from nextword.neural.schedules import rate
from nextword.neural.training_settings import LANGUAGE_MODELS, SCHEDULES, TrainingSettings, usual_settings


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [None, 0.0, 0.1])
def test_every_schedule_reaches_its_peak_once_and_never_leaves_its_range(schedule, warmup):
    rates = [rate(schedule, i / 1000, warmup) for i in range(1001)]
    assert all(0 <= value <= 1 for value in rates)
    assert max(rates) == pytest.approx(1)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rate(schedule, -1, warmup) == rates[0] and rate(schedule, 2, warmup) == rates[-1]


def test_schedules_by_hand():
    assert rate("one-cycle", 0) == pytest.approx(1 / 25)
    assert rate("one-cycle", 0.15) == pytest.approx((1 + 1 / 25) / 2)  # halfway up half a cosine
    assert rate("one-cycle", 1) == pytest.approx(4e-6)
    assert rate("cosine", 0.525) == pytest.approx(0.5) and rate("cosine", 1) == pytest.approx(0)
    assert rate("cosine", 0.025) == pytest.approx(0.5)  # halfway through the usual warm-up of a twentieth
    assert rate("linear", 0.6, warmup=0.2) == pytest.approx(0.5) and rate("linear", 1) == 0
    assert [rate(name, 0.7) for name in ("constant", "plateau")] == [1, 1]


def test_one_cycle_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=101, cycle_momentum=False, pct_start=0.31
    )
    for step in range(101):
        peak = float(0.31 * 101) - 1  # where PyTorch puts it
        ours = rate("one-cycle", step / 100, peak / 100)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(ours, abs=1e-9)
        optimizer.step()
        if step < 100:
            theirs.step()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "lines"}, "unknown mode 'lines'; choose one of stream, sentence, blocks"),
        ({"optimizer": "adagrad"}, "unknown optimizer 'adagrad'; choose one of adamw, adam, sgd, muon"),
        ({"schedule": "step"}, "unknown schedule 'step'; choose one of one-cycle, cosine, linear, plateau, constant"),
        ({"precision": "int8"}, "unknown precision 'int8'; choose one of auto, float32, bfloat16"),
        ({"batch_size": 0}, "batch_size is 0; give a whole number at least 1"),
        ({"bptt": 2.5}, "bptt is 2.5; give a whole number at least 1"),
        ({"epochs": True}, "epochs is True; give a whole number at least 1"),
        ({"lr": 0}, "lr is 0; give a number above 0"),
        ({"lr": math.nan}, "lr is nan; give a number above 0"),
        ({"minutes": -1}, "minutes is -1; give a number above 0"),
        ({"ema": 1.0}, "ema is 1.0; give a number at least 0 and below 1"),
        ({"betas": (0.9, 1)}, "betas[1] is 1; give a number at least 0 and below 1"),
        ({"clip": math.inf}, "clip is inf; give a number above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, message):
    with pytest.raises(UsageError) as caught:
        TrainingSettings(**given)
    assert str(caught.value) == message


def test_what_needs_a_validation_text_says_so():
    for given, what in (({"patience": 2}, "patience"), ({"schedule": "plateau"}, "the plateau schedule")):
        with pytest.raises(UsageError) as caught:
            TrainingSettings(**given).check_valid(False)
        assert str(caught.value) == f"{what} needs a validation text to go by; give one with valid (--valid FILE)"
        TrainingSettings(**given).check_valid(True)


def test_usual_settings():
    assert all(usual_settings(kind).epochs == 10 for kind in LANGUAGE_MODELS)
    assert usual_settings("lstm", minutes=3).epochs is None
    assert usual_settings("window").mode == "sentence"
    with pytest.raises(UsageError, match="^unknown setting 'learning_rate'; a gru model is trained with those of"):
        usual_settings("gru", learning_rate=1)


def test_a_run_ends_by_whichever_limit_comes_first():
    settings = TrainingSettings(epochs=2, steps=7, minutes=1)
    place = Place()
    for _ in range(6):
        place.advance(10, 4)
    assert (place.epoch, place.batch, place.epochs, place.tokens) == (1, 2, 1.5, 60)
    assert place.fraction(settings) == 6 / 7 and place.reason_to_stop(settings) is None
    place.seconds = 59
    assert place.fraction(settings) == 59 / 60
    place.seconds = 61
    assert (place.fraction(settings), place.reason_to_stop(settings)) == (1, "minutes")
    place.seconds = 0
    place.advance(10, 4)
    assert place.reason_to_stop(settings) == "steps"
    place.advance(10, 4)
    assert place.reason_to_stop(TrainingSettings(epochs=2)) == "epochs"


def test_a_plateau_divides_the_rate_by_four():
    settings = TrainingSettings(schedule="plateau", lr=8.0, patience=3)
    place, rates = Place(), []
    for loss in (3.0, 2.0, 2.5, 1.0, 1.0, math.nan):
        place.advance(1, 1)
        place.measured(loss, settings)
        rates.append(place.lr(settings))
    assert rates == [8, 8, 2, 2, 0.5, 0.125]
    assert (place.best_loss, place.best_step, place.worse) == (1.0, 4, 2)
    assert place.reason_to_stop(settings) is None
    place.measured(1.0, settings)
    assert place.reason_to_stop(settings) == "patience"


def test_when_to_measure():
    place, each = Place(), []
    for _ in range(6):
        place.advance(1, 3)
        each.append((place.due_to_measure(TrainingSettings()), place.due_to_measure(TrainingSettings(eval_every=2))))
    assert each == [(False, False), (False, True), (True, False), (False, True), (False, False), (True, True)]


def test_a_place_survives_json():
    import json
    from dataclasses import asdict

    place = Place(epoch=3, best_loss=1 / 3, seconds=0.1 + 0.2)
    place.sums.loss = 2 / 3
    assert Place.from_json(json.loads(json.dumps(asdict(place)))) == place


def test_perplexity():
    assert (perplexity(None), perplexity(math.log(8)), perplexity(800)) == (None, pytest.approx(8), math.inf)
