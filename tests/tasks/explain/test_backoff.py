"""Back-off paths and counts: derived by hand, recounted for every smoothing, equal to the model's own numbers."""

import math

import numpy as np
import pytest

import nextword
from nextword.errors import UsageError
from nextword.ngram.smoothing import Smoothing
from nextword.tasks.explain.backoff import backoff_paths
from nextword.tasks.explain.counts import read_text
from nextword.tasks.explain.recount import Recount
from nextword.text.corpus import Corpus
from ngram.twin import Twin

# <s> a b </s> twice, <s> a c </s>, <s> b </s>
SMALL = ["a b", "a b", "a c", "b"]


def train(lines, smoothing, **options):
    return nextword.train(Corpus.from_lines(lines), smoothing=smoothing, **options)


def recount(lm, lines):
    text, _ = read_text(Corpus.from_lines(lines), lm.model.vocabulary, lm.pipeline)
    return Recount(lm.model, text, lm.info["settings"])


def path(lm, line, position, counts=None):
    """The path of one token, from 1, and its rungs by order."""
    ids = np.append(lm.ids(line), lm.model.eos).astype(np.int32)
    (found,) = backoff_paths(lm.model, ids, recount=counts, positions=[position - 1])
    return found, {rung.order: rung for rung in found.rungs}


def test_kneser_ney_by_hand():
    """D = 0.5. Continuation counts: a 1 (<s>), b 2 (<s>, a), c 1 (a), </s> 2 (b, c): 6 of 4 types; V = 5.

    p(b) = (2 - 0.5) / 6 + γ / 5, γ = 4 · 0.5 / 6 = 1/3: 0.25 + 1/15. After a: b twice, c once, so
    p(b | a) = (2 - 0.5) / 3 + γ(a) p(b), γ(a) = 2 · 0.5 / 3 = 1/3.
    """
    lm = train(SMALL, Smoothing("kneser-ney", discount=0.5), order=2)
    found, rungs = path(lm, "a b", 2, recount(lm, SMALL))
    below = 0.25 + 1 / 15
    assert (found.order, found.token, [rung.context for rung in found.rungs]) == (2, "b", [("a",), ()])
    assert found.probability == pytest.approx(0.5 + below / 3, rel=1e-6)
    assert rungs[2].weight == pytest.approx(1 / 3, rel=1e-6)
    assert rungs[2].own == pytest.approx(0.5, rel=1e-6)
    assert rungs[2].from_lower == pytest.approx(below / 3, rel=1e-6)
    assert rungs[1].probability == pytest.approx(below, rel=1e-6)
    assert (rungs[1].own, rungs[1].weight) == (None, None)
    top, unigram = rungs[2].counted, rungs[1].counted
    assert (top.count, top.raw, top.total, top.types, top.classes, top.discount) == (2, 2, 3, 2, (1, 1, 0), 0.5)
    assert not top.continuation
    assert top.equation == "(2 − 0.5000) / 3 + 0.3333 × 0.3167 = 0.6056"
    assert top.weight_equation == "(2 × 0.5000) / 3 = 0.3333"
    assert (unigram.count, unigram.raw, unigram.total, unigram.classes) == (2, 3, 6, (2, 2, 0))
    assert unigram.continuation
    assert unigram.equation == "(2 − 0.5000) / 6 + 0.3333 × 0.2 = 0.3167"
    assert top.agrees and unigram.agrees
    assert top.probability == pytest.approx(0.5 + below / 3, rel=1e-12)


def test_a_word_that_is_not_there_takes_the_weight():
    """p(</s> | a) = γ(a) p(</s>) = 1/3 · (0.25 + 1/15); p(c | <s>) = 0.25 · (1/12 + 1/15)."""
    lm = train(SMALL, Smoothing("kneser-ney", discount=0.5), order=2)
    counts = recount(lm, SMALL)
    found, rungs = path(lm, "a", 2, counts)
    assert (found.order, found.word) == (1, "</s>")
    assert found.factors == pytest.approx((1 / 3, 0.25 + 1 / 15), rel=1e-6)
    assert found.product == "0.3333 × 0.3167"
    assert found.probability == pytest.approx((0.25 + 1 / 15) / 3, rel=1e-6)
    assert not rungs[2].seen and rungs[2].known
    assert rungs[2].counted.equation == "0.3333 × 0.3167 = 0.1056"
    assert (rungs[2].counted.count, rungs[2].counted.total, rungs[2].counted.discount) == (0, 3, None)
    found, rungs = path(lm, "c", 1, counts)
    assert found.probability == pytest.approx(0.25 * (1 / 12 + 1 / 15), rel=1e-6)


def test_a_context_that_was_never_seen_has_no_weight():
    """*zz b* came nowhere, so p(</s> | zz b) is p(</s> | b): of three times b, </s> follows three times."""
    lm = train(SMALL, Smoothing("kneser-ney", discount=0.5), order=3)
    found, rungs = path(lm, "zz b", 3)
    assert (rungs[3].known, rungs[3].weight, rungs[2].known) == (False, None, True)
    assert (found.order, found.factors[0], found.product) == (2, 1.0, f"{rungs[2].probability:.4g}")
    assert found.probability == rungs[2].probability == rungs[3].probability


def test_modified_kneser_ney_by_hand():
    """Discounts 0.5 and 1: p(b) = (2 - 1) / 6 + γ / 5, γ = (2 · 0.5 + 2 · 1) / 6 = 0.5; so 4/15.

    p(b | a) = (2 - 1) / 3 + γ(a) · 4/15, γ(a) = (0.5 + 1) / 3 = 0.5: 7/15.
    """
    lm = train(SMALL, Smoothing(discount_fallback=True), order=2)
    found, rungs = path(lm, "a b", 2, recount(lm, SMALL))
    assert found.probability == pytest.approx(7 / 15, rel=1e-6)
    assert rungs[2].counted.equation == "(2 − 1.0000) / 3 + 0.5 × 0.2667 = 0.4667"
    assert rungs[2].counted.weight_equation == "(1 × 0.5000 + 1 × 1.0000) / 3 = 0.5"


def test_the_mass_that_is_stolen_in_the_lectures():
    """P(w given denied the): counts 3, 2, 1, 1 become 2.5, 1.5, 0.5, 0.5, and 2 of 7 are left for other words."""
    lines = ["denied the allegations"] * 3 + ["denied the reports"] * 2 + ["denied the claims", "denied the request"]
    lm = train(lines, Smoothing("absolute", discount=0.5), order=3)
    counts = recount(lm, lines)
    for word, kept in {"allegations": 2.5, "reports": 1.5, "claims": 0.5, "request": 0.5}.items():
        found, rungs = path(lm, f"denied the {word}", 3, counts)
        assert found.probability == pytest.approx(kept / 7, rel=1e-6)
        assert rungs[3].counted.equation == f"({kept + 0.5:.0f} − 0.5000) / 7 = {kept / 7:.4g}"
    _, rungs = path(lm, "denied the denied", 3, counts)
    assert rungs[3].counted.weight_equation.startswith("(4 × 0.5000) / 7 / (1 − ")
    assert rungs[3].counted.agrees


def test_relative_frequencies_of_the_lectures():
    """*students opened their*: 1000 times, *books* 400, *exams* 100: 0.4 and 0.1 (here a hundredth of each)."""
    lines = ["students opened their books"] * 4 + ["students opened their exams", *["students opened their minds"] * 5]
    lm = train(lines, "mle", order=4)
    counts = recount(lm, lines)
    for word, equation in {"books": "4 / 10", "exams": "1 / 10"}.items():
        _, rungs = path(lm, f"students opened their {word}", 4, counts)
        assert rungs[4].counted.equation.startswith(equation)
    found, rungs = path(lm, "students opened their students", 4, counts)
    assert (found.log_prob, found.probability) == (-math.inf, 0.0)
    assert (rungs[4].weight, rungs[4].counted.agrees) == (0.0, True)
    assert found.to_json()["log_prob"] is None


def zipf(lines=120, words=25, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(f"w{min(i, words)}" for i in random.zipf(1.3, random.integers(0, 9))) for _ in range(lines)]


NAMES = [
    "mle", "add", "laplace", "absolute", "katz", "jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney",
]  # fmt: skip


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_every_smoothing_is_recounted(name, order):
    """Of every order of every token of new lines: the product is the model's, and so is what the counts give.

    The counts' probability is also that of the twin, which is written from the definitions with dictionaries.
    """
    lines, new = zipf(), ["w3 w9 zz w1 w2", "w25 w24 w1", "", "w1 w1 w2"]
    valid = Corpus.from_lines(lines[:20]) if name == "jelinek-mercer" else None
    smoothing = Smoothing(name, alpha=0.3, discount_fallback=True)
    lm = train(lines, smoothing, order=order, valid=valid)
    counts = recount(lm, lines)
    given = {"alpha": 1.0 if name == "laplace" else 0.3, "weights": lm.model.details.get("weights")}
    twin = Twin([line.split() for line in lines], order, name=name, **given)
    for line in [*lines[:6], *new]:
        ids = np.append(lm.ids(line), lm.model.eos).astype(np.int32)
        for one in backoff_paths(lm.model, ids, recount=counts):
            assert one.log_prob == -math.inf or math.log(one.probability) == pytest.approx(one.log_prob, abs=1e-9)
            assert all(rung.counted.agrees for rung in one.rungs), one
            top = one.rungs[0]
            slow = twin.p(one.word if one.word in twin.words else "<unk>", top.context)
            assert top.counted.probability == pytest.approx(slow, rel=1e-4)  # the model's discounts have six digits


@pytest.mark.parametrize("name", ["absolute", "katz", "witten-bell", "kneser-ney", "modified-kneser-ney"])
def test_pruned_n_grams_are_counted_and_marked(name):
    lines = zipf()
    lm = train(lines, Smoothing(name, discount_fallback=True), order=3, prune=[0, 1, 1])
    counts = recount(lm, lines)
    pruned = 0
    for line in lines[:20]:
        ids = np.append(lm.ids(line), lm.model.eos).astype(np.int32)
        for one in backoff_paths(lm.model, ids, recount=counts):
            assert all(rung.counted.agrees for rung in one.rungs)
            pruned += sum(rung.counted.pruned for rung in one.rungs)
            assert not any(rung.seen for rung in one.rungs if rung.counted.pruned)
    assert pruned


def test_another_text_does_not_agree():
    lm = train(zipf(), Smoothing(discount_fallback=True), order=3)
    _, rungs = path(lm, "w1 w1 w1", 3, recount(lm, zipf(seed=1)))
    assert not rungs[3].counted.agrees


@pytest.mark.parametrize("layout", ["trie", "hash"])
def test_a_quantised_model_has_a_path_of_its_rounded_numbers(layout):
    lines = zipf()
    lm = nextword.quantize(train(lines, "witten-bell", order=3), layout=layout, bits=8)
    counts = recount(lm, lines)
    ids = np.append(lm.ids("w1 w9 w1 zz w2"), lm.model.eos).astype(np.int32)
    for one in backoff_paths(lm.model, ids, recount=counts):
        assert math.log(one.probability) == pytest.approx(one.log_prob, abs=1e-9)
        assert {rung.counted.agrees for rung in one.rungs} == {None}
        assert one.rungs[0].counted.probability == pytest.approx(one.probability, rel=0.2)


def test_a_model_from_an_arpa_file_has_a_path_and_no_counts(tmp_path):
    lm = train(zipf(), "witten-bell", order=3)
    nextword.write_arpa(lm.model, tmp_path / "m.arpa")
    model = nextword.read_arpa(tmp_path / "m.arpa")
    ids = np.append(lm.ids("w1 w2 w9"), model.eos).astype(np.int32)
    for one, same in zip(backoff_paths(model, ids), backoff_paths(lm.model, ids), strict=True):
        assert one.factors == same.factors
        assert {rung.own for rung in one.rungs} == {None}  # nobody says that its smoothing is interpolated
    with pytest.raises(UsageError) as error:
        recount(nextword.LM(model, info={"settings": None}), zipf())
    assert str(error.value) == (
        "the model does not say how it was estimated, so its probabilities cannot be worked out from counts"
    )


def test_models_whose_numbers_are_not_of_counts_say_so():
    lm = train(zipf(), "witten-bell", order=3)
    cases = {
        "the model was pruned by relative entropy, which changed its weights: counts do not show": nextword.prune(
            lm, entropy=1e-3
        ),
        "the model has a limited vocabulary, which is not recorded: counts do not show": train(
            zipf(), "witten-bell", order=3, limit_vocab=["w1", "w2"]
        ),
        "words were pruned from the vocabulary, and are not recorded: counts do not show": train(
            zipf(), "witten-bell", order=2, prune=[1]
        ),
    }
    for words, model in cases.items():
        with pytest.raises(UsageError) as error:
            recount(model, zipf())
        assert str(error.value) == words
