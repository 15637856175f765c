"""What all models of tasks share: a directory, and errors for one that holds something else."""

import json

import numpy as np
import pytest

import nextword
from nextword import kinds, store
from nextword.errors import StoreError, UsageError
from nextword.tasks import extras
from nextword.tasks.saved import TaskModel
from nextword.text.lexicon import lexicon
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer


class Counter(TaskModel):
    kind = "counter"
    noun = "counter of words"

    def __init__(self, vocabulary, counts):
        self.vocabulary, self.counts = vocabulary, counts

    def parameters(self):
        return {"words": len(self.counts)}

    def arrays(self):
        return {"counts": self.counts}

    @classmethod
    def from_arrays(cls, parameters, arrays, vocabulary):
        assert parameters == {"words": 5}
        return cls(vocabulary, arrays["counts"])


class Other(Counter):
    kind = noun = "tagger"


class Third(Counter):
    kind = "other-words"


@pytest.fixture
def counter(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "counter", f"{__name__}:Counter")
    monkeypatch.setattr(store, "model_class", lambda kind: Counter)
    made = Counter(lexicon(["a", "b"]), np.arange(5))
    made.pipeline = Pipeline(tokenizer=make_tokenizer("char"))
    made.info = {"trained_on": [{"path": "x", "bytes": 1, "sha256": "0"}], "settings": {"seed": 3}}
    return made


def test_a_model_comes_back(counter, tmp_path):
    counter.save(tmp_path)
    again = Counter.load(tmp_path)
    assert again.counts.tolist() == [0, 1, 2, 3, 4]
    assert again.vocabulary.words == counter.vocabulary.words
    assert again.pipeline.config() == counter.pipeline.config()
    assert (again.info["trained_on"], again.info["settings"]) == (counter.info["trained_on"], {"seed": 3})
    counter.pipeline = None
    counter.save(tmp_path)
    assert Counter.load(tmp_path).pipeline is None


def test_another_model_is_refused(counter, tmp_path):
    counter.save(tmp_path)
    with pytest.raises(StoreError) as caught:
        Other.load(tmp_path)
    expected = f"{tmp_path}: holds a model of kind counter, expected a tagger; give the directory of one"
    assert str(caught.value) == expected
    with pytest.raises(StoreError, match="expected a counter of words of kind other-words; give the directory of one"):
        Third.load(tmp_path)


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in ("jiwer", "sklearn") else object())
    with pytest.raises(UsageError) as caught:
        extras.require_tasks()
    assert str(caught.value) == "this needs sklearn, jiwer; install it with: pip install 'nextword[tasks]'"


def test_a_language_model_is_expected_and_a_task_is_described(tmp_path):
    pytest.importorskip("sklearn")
    from typer.testing import CliRunner

    from nextword.interfaces.cli.app import app
    from nextword.tasks import BowClassifier
    from nextword.tasks.describe import describe

    classifier = BowClassifier(tokenizer="whitespace").fit(["good film", "bad film"] * 3, ["pos", "neg"] * 3)
    classifier.save(tmp_path)
    with pytest.raises(StoreError) as caught:
        nextword.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds a classifier, expected a language model; open it with "
        "nextword.tasks.classify.bow.BowClassifier.load"
    )
    cli = CliRunner().invoke(app, ["info", str(tmp_path), "--json"])
    assert (cli.exit_code, json.loads(cli.stdout)["kind"]) == (0, "classify-bow")
    found = describe(TaskModel.load(tmp_path))
    assert (found["kind"], found["classes"]["labels"]) == ("classify-bow", ["neg", "pos"])
    assert found["numbers"] > 3


def test_every_estimator_is_where_it_is_said_to_be():
    pytest.importorskip("sklearn")
    from nextword import tasks

    assert sorted(tasks._HOME_OF) == tasks.__all__ == dir(tasks)
    for name, home in tasks._HOME_OF.items():
        found = getattr(tasks, name)
        assert (found.__module__, found.__name__) == (home, name)
        assert issubclass(found, TaskModel)
        assert name == "TextClassifier" or kinds.KINDS[found.kind] == f"{home}:{name}"
    with pytest.raises(AttributeError, match=r"^module 'nextword.tasks' has no attribute 'Nope'$"):
        tasks.Nope  # noqa: B018
