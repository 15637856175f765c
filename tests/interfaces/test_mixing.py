"""``nextword mix``, and ``evaluate`` with a cache and dynamic evaluation."""

import json
import re

import pytest

import nextword
from nextword import store
from nextword.interfaces.cli import run
from nextword.text.pipeline import Pipeline

TRAIN = ["students opened their books", "students opened their laptops", "the students read it", "", "they opened it"]
TUNE = ["they opened their laptops", "the students opened it", "students read", ""]
TEST = ["the students opened their books", "they read zébras", ""] * 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with texts and models: one and three (Witten-Bell), s (stupid backoff)."""
    folder = tmp_path_factory.mktemp("mix")
    for name, lines in {"train": TRAIN * 6, "tune": TUNE, "test": TEST}.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    for name, order, smoothing in (("one", 1, "witten-bell"), ("three", 3, "witten-bell"), ("s", 2, "stupid-backoff")):
        lm = nextword.train(folder / "train.txt", order=order, smoothing=smoothing)
        lm.save(folder / name)
    return folder


@pytest.fixture
def lstm(folder):
    """A model directory with an LSTM of random weights, as one trained on a stream."""
    torch = pytest.importorskip("torch")
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel

    if not (folder / "lstm").exists():
        vocabulary = nextword.load(folder / "one").model.vocabulary
        torch.manual_seed(0)
        sizes = {"embedding_size": 4, "hidden_size": 4, "layers": 1}
        network = build("lstm", sizes, len(vocabulary), vocabulary.bos)
        store.save(folder / "lstm", NeuralModel(network, vocabulary, scope="stream"), text=Pipeline())
    return "lstm"


@pytest.fixture
def call(folder, capsys, monkeypatch):
    """Run a command line in the folder; returns (status, stdout, stderr)."""
    monkeypatch.chdir(folder)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def succeed(call):
    def succeed(*arguments):
        status, out, err = call(*arguments)
        assert status == 0, err
        return out

    return succeed


@pytest.fixture
def fail(call):
    def fail(status, *arguments):
        actual, out, err = call(*arguments)
        assert (actual, out) == (status, "")
        return err.removeprefix("nextword: ").removesuffix("\n")

    return fail


def evaluated(succeed, *arguments):
    return json.loads(succeed("evaluate", *arguments, "--text", "test.txt", "--json"))["models"]


def test_mix_prints_weights_and_perplexities(call, folder):
    status, out, err = call("mix", "one", "three", "--tune", "tune.txt", "--out", "mixed")
    assert status == 0
    assert err == "the weights were fitted to tune.txt; measure the mixture on another text\n"
    header, _, *rows = out.splitlines()
    assert re.split("  +", header) == ["model", "weight", "tuning perplexity"]
    cells = [re.split("  +", row) for row in rows]
    assert [row[0] for row in cells] == ["one", "three", "mixed"]
    mixed = nextword.load(folder / "mixed")
    assert [float(row[1]) for row in cells[:2]] == pytest.approx(list(mixed.model.weights), abs=1e-4)
    assert float(cells[0][2]) == pytest.approx(nextword.load(folder / "one").evaluate("tune.txt").perplexity, abs=0.01)
    assert float(cells[2][1]) == pytest.approx(mixed.evaluate("tune.txt").perplexity, abs=0.01)


def test_mix_json(succeed, folder):
    found = json.loads(succeed("mix", "one", "three", "--tune", "tune.txt", "--out", "static", "--static", "--json"))
    assert (found["text"], found["tokens"], found["model"], found["kind"]) == ("tune.txt", 14, "static", "ngram")
    assert [member["model"] for member in found["members"]] == ["one", "three"]
    assert sum(member["weight"] for member in found["members"]) == pytest.approx(1)
    assert found["tuning_perplexity"] == pytest.approx(nextword.load("static").evaluate("tune.txt").perplexity)


def test_a_mixture_is_a_model_for_every_command(succeed, lstm):
    succeed("mix", "three", lstm, "--tune", "tune.txt", "--out", "both", "--quiet")
    assert "mixture" in succeed("info", "both", "--verify")
    assert len(succeed("score", "both", "test.txt").splitlines()) == 1 + 8 * (6 + 4 + 1)
    assert succeed("next", "both", "students opened", "-k", 1)
    assert succeed("generate", "both", "--prompt", "they", "--max-tokens", 2, "--seed", 1).startswith("they")
    (found,) = evaluated(succeed, "both")
    assert found["kind"] == "mixture"


def test_the_cache_has_a_column_of_its_own(succeed):
    plain = evaluated(succeed, "three")[0]
    (found,) = evaluated(succeed, "three", "--cache", "--cache-size", "10")
    cache = found.pop("cache")
    for name in ("perplexity", "bits_per_byte", "nats"):
        assert found[name] == plain[name]
    settings = {"size": 10, "theta": 0.0, "lambda": 0.1, "tuned_on": None}
    assert settings.items() <= cache.items()
    assert cache["perplexity_with_cache"] != plain["perplexity"]
    assert cache["bits_per_byte_with_cache"] != plain["bits_per_byte"]
    header, _, row = succeed("evaluate", "three", "--text", "test.txt", "--cache", "--cache-size", "10").splitlines()
    assert header.endswith("  perplexity with cache")
    assert float(row.split()[-1]) == pytest.approx(cache["perplexity_with_cache"], abs=0.01)


def test_the_cache_is_tuned_on_another_text(succeed, lstm):
    (found,) = evaluated(succeed, lstm, "--cache", "--tune", "tune.txt")
    assert found["cache"]["tuned_on"] == "tune.txt"
    assert 0 <= found["cache"]["lambda"] <= 1
    given = ["--cache-theta", found["cache"]["theta"], "--cache-lambda", found["cache"]["lambda"]]
    (again,) = evaluated(succeed, lstm, "--cache", *given)
    assert again["cache"]["perplexity_with_cache"] == pytest.approx(found["cache"]["perplexity_with_cache"])
    (half,) = evaluated(succeed, lstm, "--cache", "--tune", "tune.txt", "--cache-theta", 0.5)
    assert half["cache"]["theta"] == 0.5
    (light,) = evaluated(succeed, lstm, "--cache", "--tune", "tune.txt", "--cache-lambda", 0.01)
    assert light["cache"]["lambda"] == 0.01


def test_dynamic_evaluation_has_a_column_of_its_own(succeed, lstm):
    plain = evaluated(succeed, lstm)[0]
    (found,) = evaluated(succeed, lstm, "--dynamic", "--dynamic-lr", 0.5)
    assert found["perplexity"] == plain["perplexity"]
    assert {"lr": 0.5, "tuned_on": None}.items() <= found["dynamic_evaluation"].items()
    assert found["dynamic_evaluation"]["perplexity_with_dynamic_evaluation"] < plain["perplexity"]
    (tuned,) = evaluated(succeed, lstm, "--dynamic", "--cache", "--tune", "tune.txt")
    assert {"cache", "dynamic_evaluation"} <= set(tuned)
    assert tuned["dynamic_evaluation"]["tuned_on"] == "tune.txt"


def test_a_model_that_cannot_adapt_says_why(succeed, folder):
    out = succeed("evaluate", "three", "s", "--text", "test.txt", "--cache", "--dynamic")
    header, _, three, stupid, *reasons = out.splitlines()
    assert re.split("  +", header)[-2:] == ["perplexity with cache", "perplexity with dynamic evaluation"]
    assert three.split()[-1] == "-"
    assert stupid.split()[-2:] == ["-", "-"]
    because = "dynamic evaluation trains a neural network, and this model is a ngram; give a neural one"
    assert f"three: no perplexity with dynamic evaluation, {because}" in reasons
    because = "a cache stands beside probabilities, and this model gives only scores; give another"
    assert f"s: no perplexity with cache, {because}" in reasons
    found = evaluated(succeed, "s", "--cache")[0]["cache"]
    assert found == {"perplexity_with_cache": None, "reason": because}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "mix one --tune tune.txt --out x",
            "a mixture needs two models or more, and 1 was given; name another directory",
        ),
        (
            "mix one s --tune tune.txt --out x",
            "model 2 of the mixture (stupid-backoff) gives scores, no probabilities; leave it out",
        ),
        (
            "mix one three --tune tune.txt --out x.arpa",
            "x.arpa: a mixture has no ARPA form; merge n-gram models into one with --static",
        ),
        (
            "evaluate one --text test.txt --cache-theta 1",
            "--cache-theta and --cache-lambda are of the cache; give --cache too",
        ),
        ("evaluate one --text test.txt --dynamic-lr 1", "--dynamic-lr is of dynamic evaluation; give --dynamic too"),
        (
            "evaluate one --text test.txt --tune tune.txt",
            "--tune is for --cache and --dynamic, which are tuned on that text; give one of them too",
        ),
        (
            "evaluate one --text - --cache",
            "<stdin> can be read only once, and is needed a second time; save it to a file and name that",
        ),
    ],
)
def test_what_is_refused(fail, arguments, message):
    assert fail(2, *arguments.split()) == message


def test_evaluate_warns_of_the_text_that_weights_were_fitted_to(call):
    assert call("mix", "one", "three", "--tune", "tune.txt", "--out", "fitted", "--quiet")[0] == 0
    status, out, err = call("evaluate", "fitted", "--text", "tune.txt", "--json")
    found = json.loads(out)["models"][0]
    assert (found["trained_on_this"], found["tuned_on_this"]) == (False, True)
    assert err == "fitted: its weights were fitted to tune.txt, which flatters it; give another text\n"
    assert json.loads(call("evaluate", "fitted", "--text", "train.txt", "--json")[1])["models"][0]["trained_on_this"]


def test_static_merges_models_of_other_words_and_arpa_files(call, folder):
    (folder / "other.txt").write_text("zébras read books\nthey read\n" * 4)
    nextword.train(folder / "other.txt", order=2, smoothing="witten-bell").save(folder / "other")
    assert call("convert", "other", "other.arpa", "--quiet")[0] == 0
    assert call("mix", "three", "other", "--tune", "tune.txt", "--out", "merged", "--quiet")[0] == 1
    found = []
    for source, target in (("other", "merged"), ("other.arpa", "merged.arpa")):
        status, out, err = call("mix", "three", source, "--tune", "tune.txt", "--out", target, "--static", "--json")
        assert (status, err) == (0, "")
        found.append(json.loads(out))
    assert found[0]["members"][1]["weight"] == pytest.approx(found[1]["members"][1]["weight"], rel=1e-5)
    assert 0 < found[0]["members"][1]["weight"] < 0.5
    merged = nextword.load(folder / "merged").model
    again = nextword.read_arpa(folder / "merged.arpa")
    assert merged.vocabulary.words == again.vocabulary.words
    assert merged.counts() == again.counts()
    assert "zébras" in merged.vocabulary


def test_an_unsuitable_place_is_refused_before_the_work(fail):
    message = "tune.txt: is a file, expected a directory; choose another name"
    assert fail(1, "mix", "one", "three", "--tune", "tune.txt", "--out", "tune.txt") == message
