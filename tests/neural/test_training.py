"""The training loop against a plain twin of it, and everything that it decides along the way."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from neural.fitting import V, tiny

torch = pytest.importorskip("torch")

from nextword.errors import TrainingError, UsageError  # noqa: E402
from nextword.neural import metrics  # noqa: E402
from nextword.neural.finder import find_lr, suggestion  # noqa: E402
from nextword.neural.language import train_network  # noqa: E402
from nextword.neural.network import detach  # noqa: E402
from nextword.neural.schedules import rate  # noqa: E402
from nextword.neural.training_settings import TrainingSettings  # noqa: E402
from nextword.text.batches import training_batches  # noqa: E402

KINDS = {
    "lstm": {"embedding_size": 6, "hidden_size": 8, "dropout": 0.0},
    "rnn": {"embedding_size": 6, "hidden_size": 6, "layers": 1, "tied": True, "learned_start": True, "dropout": 0.0},
    "transformer": {"embedding_size": 8, "heads": 2, "layers": 1, "context": 8, "dropout": 0.0},
    "window": {"order": 3, "embedding_size": 6, "hidden_size": 8},
}
PLAIN = TrainingSettings(
    batch_size=4, bptt=6, steps=12, precision="float32", device="cpu", lr=0.02, log_every=4, checkpoint_every=1e9
)


def corpus(sentences=40, seed=0):
    """Random sentences in which every other word is settled by the one before."""
    random = np.random.default_rng(seed)
    found = [2]
    for _ in range(sentences):
        for _ in range(random.integers(1, 4)):
            word = int(random.integers(3, 6))
            found += [word, 3 + (word - 2) % 4]
        found.append(2)
    return np.array(found, np.int32)


def weights(network):
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def difference(network, expected):
    return max(float((w - expected[name]).detach().abs().max()) for name, w in network.named_parameters())


def twin(network, tokens, settings):
    """The same training, each part written the plain way: whole distributions, autograd, PyTorch's own clipping."""
    decaying = [w for name, w in network.named_parameters() if w.ndim > 1 and not name.startswith("embedding")]
    others = [w for w in network.parameters() if all(w is not other for other in decaying)]
    groups = [{"params": decaying, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, lr=1, momentum=settings.momentum),
        "adam": lambda: torch.optim.Adam(groups, betas=settings.betas),
        "adamw": lambda: torch.optim.AdamW(groups, betas=settings.betas),
    }[settings.optimizer]()
    average = [w.detach().clone() for w in network.parameters()]
    step, epoch, state = 0, 0, None
    while step < settings.steps:
        size = {
            "mode": settings.mode,
            "batch_size": settings.batch_size,
            "length": settings.bptt,
            "seed": settings.seed,
        }
        batches = training_batches(tokens, **size, shift=settings.shift, vary=settings.vary_bptt).epoch(epoch)
        for batch in batches[: settings.steps - step]:
            read, targets = (torch.from_numpy(part) for part in (batch.tokens[:, :-1], batch.tokens[:, 1:]))
            state = network.initial_state(len(read)) if batch.fresh else detach(state)
            hidden, state = network(read.clamp(min=0), state)
            log_probs = network.output.log_probs(hidden.flatten(0, 1)).view(*targets.shape, -1)
            picked = log_probs.gather(2, targets.clamp(min=0)[:, :, None])[:, :, 0]
            optimizer.zero_grad()
            (-picked[targets >= 0].mean()).backward()
            if settings.clip:
                norm = math.sqrt(sum(float((w.grad**2).sum()) for w in network.parameters() if w.grad is not None))
                for weight in (w for w in network.parameters() if w.grad is not None):
                    weight.grad /= max(1.0, norm / settings.clip)
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * rate(settings.schedule, step / settings.steps) * batch.scale
            optimizer.step()
            step += 1
            decay = min(settings.ema, (1 + step) / (10 + step))
            with torch.no_grad():
                for value, weight in zip(average, network.parameters(), strict=True):
                    value.mul_(decay).add_(weight, alpha=1 - decay)
        epoch += 1
    if settings.ema:
        for value, weight in zip(average, network.parameters(), strict=True):
            weight.data.copy_(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("lstm", {}),
        ("lstm", {"optimizer": "sgd", "lr": 1.0, "clip": 0.25, "weight_decay": 0.0, "schedule": "constant"}),
        ("lstm", {"optimizer": "sgd", "momentum": 0.9, "lr": 0.1, "vary_bptt": True, "schedule": "linear"}),
        ("rnn", {"optimizer": "adam", "mode": "sentence", "bptt": 3, "clip": None}),
        ("rnn", {"ema": 0.9, "shift": False, "schedule": "cosine"}),
        ("transformer", {"mode": "blocks", "betas": (0.9, 0.95), "weight_decay": 0.3}),
        ("transformer", {"mode": "stream"}),
        ("window", {"mode": "sentence"}),
    ],
)
def test_training_equals_its_plain_twin(kind, given):
    settings = replace(PLAIN, **given)
    ours = tiny(kind, double=True, scale=1.0, **KINDS[kind])
    theirs = copy.deepcopy(ours)
    twin(theirs, corpus(), settings)
    report = train_network(ours, corpus(), settings)
    assert difference(ours, weights(theirs)) < 1e-6
    assert (report.steps, report.stopped, report.best_step) == (12, "steps", 12)
    assert not ours.training and all(weight.grad is None for weight in ours.parameters())


@pytest.mark.parametrize("mode", ["stream", "sentence"])
@pytest.mark.parametrize("accumulate", [2, 3, 4])
def test_a_batch_in_parts_gives_the_same_model(mode, accumulate):
    settings = replace(PLAIN, mode=mode)
    whole, parts = (tiny("lstm", double=True, **KINDS["lstm"]) for _ in range(2))
    train_network(whole, corpus(), settings)
    train_network(parts, corpus(), replace(settings, accumulate=accumulate))
    assert difference(parts, weights(whole)) < 1e-6


def test_a_seed_settles_everything_and_random_states_are_put_back():
    trained = []
    for seed in (1, 1, 2):
        network = tiny("lstm", **{**KINDS["lstm"], "dropout": 0.4})
        before = torch.get_rng_state()
        train_network(network, corpus(), replace(PLAIN, seed=seed))
        assert (torch.get_rng_state() == before).all()
        trained.append(network)
    assert difference(trained[0], weights(trained[1])) == 0
    assert difference(trained[0], weights(trained[2])) > 0


def test_training_learns_what_there_is_to_learn():
    network = tiny("lstm", scale=1.0, **KINDS["lstm"])
    report = train_network(network, corpus(300), replace(PLAIN, epochs=5, steps=None), valid=corpus(100, seed=1))
    assert 1.93 < report.valid_perplexity < 2.6  # the entropy is 3 ln 3 in 5 tokens
    assert report.stopped == "epochs" and report.epochs == 5
    assert report.parameters == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_the_best_weights_are_kept_and_patience_ends_the_run(ema):
    settings = replace(PLAIN, lr=1.0, schedule="constant", steps=100, eval_every=2, patience=3, ema=ema, clip=None)
    network, events = tiny("lstm", scale=1.0, **KINDS["lstm"]), []
    report = train_network(network, corpus(), settings, valid=corpus(20, seed=1), watch=events.append)
    assert report.stopped == "patience" and report.steps == report.best_step + 6
    again = tiny("lstm", scale=1.0, **KINDS["lstm"])
    train_network(again, corpus(), replace(settings, steps=report.best_step, patience=None), valid=corpus(20, seed=1))
    assert difference(network, weights(again)) == 0
    assert min(e.valid_perplexity for e in events if e.valid_perplexity) == pytest.approx(report.valid_perplexity)


def test_the_validation_loss_is_that_of_one_long_reading():
    network, tokens = tiny("lstm", double=True, **KINDS["lstm"]), corpus(6, seed=1)
    report = train_network(network, corpus(), replace(PLAIN, steps=1), valid=tokens)
    assert len(tokens) - 1 < 20 * PLAIN.bptt  # so short that it is one row
    ids = torch.from_numpy(tokens.astype(np.int64))
    with torch.no_grad():
        hidden, _ = network(ids[None, :-1], network.initial_state(1))
        loss = -network.output.log_probs(hidden[0]).gather(1, ids[1:, None]).mean()
    assert report.valid_perplexity == pytest.approx(math.exp(loss), rel=1e-6)


def test_minutes_are_a_budget():
    settings = TrainingSettings(batch_size=4, bptt=6, minutes=0.004, precision="float32", device="cpu")
    events = []
    report = train_network(tiny("lstm", **KINDS["lstm"]), corpus(), settings, watch=events.append)
    assert report.stopped == "minutes" and report.seconds >= 0.24
    assert [event.fraction for event in events] == sorted(event.fraction for event in events)
    assert events[-1].lr < max(event.lr for event in events)


def test_metrics_say_what_happened(tmp_path):
    settings = replace(PLAIN, eval_every=6)
    train_network(tiny("lstm", **KINDS["lstm"]), corpus(), settings, valid=corpus(9), directory=tmp_path)
    lines = metrics.read(tmp_path)
    assert [(line["step"], "valid_loss" in line) for line in lines] == [
        (4, False), (6, True), (8, False), (12, False), (12, True),
    ]  # fmt: skip
    assert set(lines[0]) == {
        "step", "epoch", "tokens", "seconds", "loss", "perplexity", "lr", "gradient_norm", "tokens_per_second",
    }  # fmt: skip
    assert lines[0]["perplexity"] == pytest.approx(math.exp(lines[0]["loss"]))
    assert [line["best"] for line in lines if "best" in line][0]
    picture = metrics.plot(tmp_path, title="a title")
    assert picture.name == "loss.png" and picture.read_bytes().startswith(b"\x89PNG")


def test_a_plot_needs_metrics(tmp_path):
    with pytest.raises(UsageError) as caught:
        metrics.plot(tmp_path)
    assert str(caught.value) == f"{tmp_path}: has no metrics.jsonl with anything to draw; train there first"


def test_tensorboard_is_an_option(tmp_path):
    pytest.importorskip("tensorboard")
    train_network(tiny("rnn", **KINDS["rnn"]), corpus(), PLAIN, directory=tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_what_is_not_there_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    monkeypatch.setattr(metrics, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"^TensorBoard is not installed; install it with: pip install 'nextword\[tens"
    ):
        train_network(tiny("rnn", **KINDS["rnn"]), corpus(), PLAIN, directory=tmp_path, tensorboard=True)
    with pytest.raises(UsageError, match=r"^a plot needs matplotlib; install it with: pip install 'nextword\[plot\]'$"):
        metrics.plot(tmp_path)


@pytest.mark.parametrize(
    ("clip", "every", "what", "step", "kept"), [(None, 1e9, "the loss", 6, 0), (1.0, 0, "a weight", 5, 4)]
)
def test_what_is_not_finite_stops_training(tmp_path, clip, every, what, step, kept):
    network = tiny("lstm", **KINDS["lstm"])
    settings = replace(PLAIN, checkpoint_every=every, clip=clip, lr=0.01)

    def poison(status):
        if status.step == 5:
            with torch.no_grad():
                network.embedding.weight.fill_(torch.nan)

    with pytest.raises(TrainingError) as caught:
        train_network(network, corpus(), settings, directory=tmp_path, watch=poison)
    tries = "clip=1 (there is none)" if clip is None else "a smaller clip (it is 1)"
    assert str(caught.value) == (
        f"{what} is not finite at step {step}; try a lower lr (it is 0.01), {tries}, or a longer warmup; resume "
        f"(--resume) with that from step {kept}, kept in {tmp_path}"
    )
    assert json.loads((tmp_path / "checkpoint.json").read_text())["failed"] == step
    again = tiny("lstm", **KINDS["lstm"])
    with pytest.raises(TrainingError, match="was begun with batch_size 4, not 2"):
        train_network(again, corpus(), replace(settings, batch_size=2), directory=tmp_path, resume=True)
    report = train_network(again, corpus(), replace(settings, lr=0.001), directory=tmp_path, resume=True)
    assert report.steps == 12 and all(torch.isfinite(weight).all() for weight in again.parameters())


def test_a_gradient_that_is_not_finite_changes_no_weight():
    network = tiny("lstm", **KINDS["lstm"])
    network.layers[0].cell.bias_hh_l0.register_hook(lambda gradient: gradient * torch.inf)
    before = weights(network)
    with pytest.raises(
        TrainingError, match=r"^the gradient is not finite at step 1; try a lower lr \(it is 0.02\), a sm"
    ):
        train_network(network, corpus(), PLAIN)
    assert difference(network, before) == 0


@pytest.mark.parametrize(
    ("error", "tokens", "valid", "message"),
    [
        (TrainingError, [2], None, "the training text is empty; give a file with at least one line"),
        (TrainingError, [2, 3, 2], [2], "the validation text is empty; give a file with at least one line"),
        (
            UsageError,
            [2, 3, 7],
            None,
            "the training text has ids from 2 to 7, but the network's vocabulary has 7, from 0 on; encode the "
            "text with "
            "the vocabulary that the network was made for",
        ),
        (
            UsageError,
            [2, 3, 2],
            [2, -1],
            "the validation text has ids from -1 to 2, but the network's vocabulary has 7, from 0 on; encode the text "
            "with the vocabulary that the network was made for",
        ),
        (
            UsageError,
            [2, 3, 2],
            None,
            "a batch of 4 rows is larger than the text, which has 2 tokens; give a batch size of at most 2, or "
            "more text",
        ),
    ],
)
def test_texts_that_cannot_be_trained_on(error, tokens, valid, message):
    ids = [None if text is None else np.array(text, np.int32) for text in (tokens, valid)]
    with pytest.raises(error) as caught:
        train_network(tiny("lstm", **KINDS["lstm"]), ids[0], PLAIN, valid=ids[1])
    assert str(caught.value) == message
    assert V == 7


def test_more_parts_than_rows_are_refused():
    with pytest.raises(UsageError) as caught:
        train_network(tiny("lstm", **KINDS["lstm"]), corpus(), replace(PLAIN, accumulate=5))
    assert str(caught.value) == (
        "a batch of 4 rows cannot be computed in 5 parts by 1 process(es); give accumulate a number up to 4"
    )


def test_bfloat16_trains_as_well():
    perplexities = []
    for precision in ("float32", "bfloat16"):
        network = tiny("lstm", scale=1.0, **KINDS["lstm"])
        settings = replace(PLAIN, steps=60, precision=precision)
        perplexities.append(train_network(network, corpus(100), settings, valid=corpus(50)).valid_perplexity)
        assert network.output.precision is None and not network.output.in_place
    assert perplexities[1] == pytest.approx(perplexities[0], rel=0.05)


def test_the_finder_suggests_a_rate_and_leaves_the_weights():
    network = tiny("lstm", scale=1.0, **KINDS["lstm"])
    before = weights(network)
    found = find_lr(network, corpus(200), PLAIN, highest=10.0)
    assert difference(network, before) == 0
    assert found.rates[0] == pytest.approx(1e-5) and found.losses[0] == pytest.approx(math.log(V), rel=0.2)
    assert 1e-3 < found.best < 1.0
    trained = train_network(network, corpus(200), replace(PLAIN, lr=found.best, steps=60), valid=corpus(50, seed=1))
    assert trained.valid_perplexity < 2.5


def test_the_finder_takes_the_steepest_rate():
    rates = np.geomspace(1e-4, 1, 60).tolist()
    losses = [5 - 3 / (1 + math.exp(30 - i)) + (0.2 * (i - 45) if i > 45 else 0) for i in range(60)]
    assert rates[28] < suggestion(rates, losses).best < rates[38]
    with pytest.raises(TrainingError) as caught:
        suggestion(rates, list(range(60)))
    assert str(caught.value) == ("the loss fell at no learning rate from 0.0001 to 1; give more text, or lower rates")
