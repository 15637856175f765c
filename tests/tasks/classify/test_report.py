"""Reports: figures by hand and as scikit-learn's, intervals that cover, mistakes surest first, and the picture."""

import math

import numpy as np
import pytest

pytest.importorskip("sklearn")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support  # noqa: E402

from nextword.errors import UsageError  # noqa: E402
from nextword.tasks.classify.base import TextClassifier  # noqa: E402
from nextword.tasks.classify.report import Report, paired_difference, report  # noqa: E402
from nextword.text.vocabulary import Vocabulary  # noqa: E402

CLASSES = ["a", "b", "c"]


class Oracle(TextClassifier):
    """Predicts the class that a text names, with the probability that it says."""

    def _fit(self, known, valid, run):
        self.vocabulary_ = Vocabulary.from_words([], unk=None, bos=None, eos=None)

    def _log_probs(self, texts):
        rows = []
        for text in texts:
            name, share = text.split()
            others = (1 - float(share)) / (len(CLASSES) - 1)
            rows.append([float(share) if name == c else others for c in CLASSES])
        return np.log(rows)

    def _state(self):
        return {}, {}

    def _restore(self, state, arrays):
        pass


ORACLE = Oracle().fit([f"{c} 0.9" for c in CLASSES], CLASSES)


def of(truth, predicted):
    return report(ORACLE, [f"{c} 0.5" for c in predicted], list(truth))


def test_figures_by_hand():
    # a: 2 of 3 found, 1 of the 3 called a is not. b: 1 of 2 found, 1 of 2 called b. c: never predicted.
    found = of("aaabbc", "aabbaa")
    assert found.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert found.accuracy == 0.5
    assert found.scores[0][1:] == (2 / 4, 2 / 3, pytest.approx(4 / 7), 3)
    assert found.scores[1][1:] == (1 / 2, 1 / 2, 0.5, 2)
    assert found.scores[2][1:] == (0.0, 0.0, 0.0, 1)
    assert found.macro_f1 == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=30))
def test_figures_are_those_of_scikit_learn(pairs):
    truth, predicted = zip(*pairs, strict=True)
    found = of(truth, predicted)
    assert found.accuracy == pytest.approx(accuracy_score(truth, predicted))
    np.testing.assert_array_equal(found.confusion, confusion_matrix(truth, predicted, labels=CLASSES))
    theirs = precision_recall_fscore_support(truth, predicted, labels=CLASSES, zero_division=0.0)
    np.testing.assert_allclose(np.array([score[1:] for score in found.scores]).T, theirs)
    assert found.macro_f1 == pytest.approx(theirs[2].mean())


def test_mistakes_are_the_surest_first():
    texts = ["a 0.6", "b 0.9", "c 0.8", "a 0.7", "", "b 0.95"]
    found = report(ORACLE, texts, ["b", "a", "c", "b", "c", "b"], mistakes=3)
    assert [(m.example, m.text, m.label, m.predicted) for m in found.mistakes] == [
        (1, "b 0.9", "a", "b"), (3, "a 0.7", "b", "a"), (0, "a 0.6", "b", "a"),
    ]  # fmt: skip
    assert [m.probability for m in found.mistakes] == pytest.approx([0.9, 0.7, 0.6])
    assert found.empty == 1
    assert found.to_json()["mistakes"][0]["text"] == "b 0.9"
    assert report(ORACLE, texts, ["b", "a", "c", "b", "c", "b"], mistakes=0).mistakes == []


def synthetic(correct):
    """A report on two classes, whose examples are correct or not."""
    correct = np.asarray(correct, dtype=bool)
    right, wrong = int(correct.sum()), int((~correct).sum())
    return Report(["a", "b"], np.array([[right, wrong], [0, 0]]), correct, 0, [])


def test_the_interval_is_the_binomials():
    found = synthetic([1] * 80 + [0] * 20).accuracy_interval()
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 100)
    assert found == pytest.approx((0.8 - spread, 0.8 + spread), abs=0.011)
    assert synthetic([1] * 10).accuracy_interval() == (1.0, 1.0)
    assert found == synthetic([1] * 80 + [0] * 20).accuracy_interval()  # no chance that is not the seed's


def test_intervals_cover_the_truth_as_often_as_they_say():
    chance, covered = np.random.default_rng(0), 0
    for _ in range(300):
        low, high = synthetic(chance.random(150) < 0.8).accuracy_interval()
        covered += low <= 0.8 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_the_interval_of_macro_f1_holds_it():
    found = of("aaabbc" * 20, "aabbaa" * 20)
    low, high = found.macro_f1_interval()
    assert low < found.macro_f1 < high
    assert high - low < 0.2


def test_a_paired_difference():
    better, worse = synthetic([1] * 90 + [0] * 10), synthetic([1] * 60 + [0] * 40)
    found = paired_difference(worse, better)
    assert found.accuracy == pytest.approx(0.3)
    assert found.real
    assert found.p_value == pytest.approx(2 / 2001)
    assert paired_difference(better, worse).accuracy == pytest.approx(-0.3)
    same = paired_difference(better, better)
    assert same == (0.0, 0.0, 0.0, 1.0)
    assert not same.real
    assert not paired_difference(synthetic([1, 0] * 50), synthetic([0, 1] * 50)).real
    with pytest.raises(UsageError, match="^two reports on different examples cannot be compared; evaluate both on .*"):
        paired_difference(better, synthetic([1, 0]))


def test_what_cannot_be_reported():
    with pytest.raises(UsageError, match="^example 2 has the label 'z', unseen in training; leave it out$"):
        report(ORACLE, ["a 0.9", "b 0.9"], ["a", "z"])
    with pytest.raises(UsageError, match="^there are 1 texts and 2 labels; give one or more of each, alike$"):
        report(ORACLE, ["a 0.9"], ["a", "b"])


@pytest.mark.parametrize("classes", [2, 31])
def test_the_picture(classes, tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    from nextword.tasks.classify.picture import draw_confusion

    confusion = np.eye(classes, dtype=np.int64) * 9 + 1
    found = Report([f"class {i}" for i in range(classes)], confusion, np.ones(int(confusion.sum()), bool), 0, [])
    draw_confusion(found, tmp_path / "confusion.png")
    pixels = imread(tmp_path / "confusion.png")
    blue = (pixels[..., 2] - pixels[..., 0] > 0.5).sum()  # the diagonal, each row's largest share
    assert pixels.shape[0] > 300
    assert blue > 500
