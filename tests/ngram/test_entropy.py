"""Pruning by relative entropy against its definition: dictionaries, and sums over the whole vocabulary."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import conforms
from nextword.errors import UsageError
from nextword.ngram.arpa import read_arpa, write_arpa
from nextword.ngram.entropy import _costs as costs_without_closure
from nextword.ngram.entropy import pruned, removal
from nextword.ngram.links import link, words_of
from nextword.ngram.marginals import marginals, stationary
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from ngram.arpa.samples import assert_same
from ngram.arpa.test_closure import arpa_text, sparse_models
from strategies import corpus, sentences

UNK, BOS, EOS = 0, 1, 2
NAMES = ("witten-bell", "kneser-ney", "modified-kneser-ney", "absolute", "katz", "mle", "add")


class Twin:
    """A back-off model as two dictionaries, its weights such that every row sums to 1 as nearly as a float64 says."""

    def __init__(self, p, words):
        self.p, self.words, self.a = p, words, {}
        for h in sorted({ngram[:-1] for ngram in p if len(ngram) > 1}, key=len):
            self.a[h] = self.weight(h)

    def weight(self, h):
        """(1 - Σ p(w given h)) / (1 - Σ p(w given h')), each as a sum over the words that h does not hold."""
        held = {w for w in self.words if (*h, w) in self.p}
        left = 1 - math.fsum(self.p[(*h, w)] for w in held)
        handed = math.fsum(self.prob(w, h[1:]) for w in self.words if w not in held)
        return max(left, 0.0) / handed if handed else 1.0

    def prob(self, w, h):
        if (*h, w) in self.p:
            return self.p[(*h, w)]
        return self.a.get(h, 1.0) * self.prob(w, h[1:])

    def without(self, ngrams):
        return Twin({ngram: p for ngram, p in self.p.items() if ngram not in ngrams}, self.words)

    def moved(self, ngram):
        """Σ p log(p / p') over the whole vocabulary after an n-gram's context, once the n-gram is gone."""
        h, other = ngram[:-1], Twin.__new__(Twin)
        other.p, other.words, other.a = {g: p for g, p in self.p.items() if g != ngram}, self.words, dict(self.a)
        other.a[h] = other.weight(h)
        pairs = [(self.prob(w, h), other.prob(w, h)) for w in self.words]
        return math.fsum(p * math.log(p / q) if q else math.inf for p, q in pairs if p)

    def product(self, h):
        return math.prod(self.prob(EOS if (w, i) == (BOS, 0) else w, h[:i]) for i, w in enumerate(h))

    def text(self, order, steps=4000):
        """The share of each state, the last order - 1 words since ``<s>``, in an endless text that the model writes."""
        states = {(BOS,): 1.0}
        for _ in range(steps):
            new = {state: 0.5 * share for state, share in states.items()}  # half of it waits, so that nothing swings
            for state, share in states.items():
                for w in self.words:
                    after = (BOS,) if w == EOS else (*state, w)[-(order - 1) :]
                    new[after] = new.get(after, 0.0) + 0.5 * share * self.prob(w, state)
            change = sum(abs(share - states.get(state, 0.0)) for state, share in new.items())
            states = new
            if change < 1e-14:
                break
        return states


def twin_of(model):
    """Its n-grams in dictionaries and, for each, its number.

    Probabilities are as they are; those that sum to 1 but for the rounding of float32 tables are made to.
    """
    numbers, p, linked = {}, {}, link(model)
    for k in range(1, model.order + 1):
        low, high = model.starts[k : k + 2].tolist()
        for g, words in enumerate(words_of(model.starts, model.word, model.first, low, high).tolist(), start=low):
            numbers[tuple(words)] = g
            p[tuple(words)] = linked.p[g]
    for h in {ngram[:-1] for ngram in p}:
        held = [ngram for ngram in p if ngram[:-1] == h]
        total = math.fsum(p[ngram] for ngram in held)
        if abs(total - 1) < 1e-6:
            p.update({ngram: p[ngram] / total for ngram in held})
    words = [w for w in range(len(model.vocabulary)) if w != BOS]
    del p[(BOS,)]
    return Twin(p, words), numbers


def exactly(linked, twin, numbers):
    """The same n-grams with the twin's numbers: float32 tables are too coarse to be compared to 1e-9."""
    p, backoff = linked.p.copy(), linked.backoff.copy()
    for ngram, g in numbers.items():
        p[g] = twin.p.get(ngram, 0.0)
        if g < len(backoff):
            backoff[g] = twin.a.get(ngram, 1.0)
    return linked._replace(p=p, backoff=backoff)


def fit(lines, order, name):
    return train_ngram(corpus(lines), order=order, smoothing=Smoothing(name, discount_fallback=True))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(lines=sentences(most=5, longest=5), order=st.integers(2, 4))
def test_costs_are_relative_entropies(name, lines, order):
    model = fit(lines, order, name)
    twin, numbers = twin_of(model)
    exact = exactly(link(model), twin, numbers)
    weight = marginals(model, exact, "product")
    cost = np.zeros(len(model))
    costs_without_closure(exact.starts, exact.first, exact.suffix, exact.p, exact.backoff, exact.inserted, weight, cost)
    for ngram, g in numbers.items():
        if len(ngram) > 1:
            expected = math.expm1(twin.product(ngram[:-1]) * twin.moved(ngram))
            assert cost[g] == pytest.approx(expected, rel=1e-6, abs=1e-9), ngram


@pytest.mark.parametrize("name", ["witten-bell", "modified-kneser-ney", "mle"])
@settings(max_examples=8)
@given(lines=sentences(most=4, longest=5, words=("a", "b")), order=st.integers(2, 4))
def test_histories_are_those_of_the_text_that_the_model_writes(name, lines, order):
    model = fit(lines, order, name)
    twin, numbers = twin_of(model)
    exact = exactly(link(model), twin, numbers)
    begin = marginals(model, exact, "product")
    found = stationary(exact, begin, tolerance=1e-13)
    states = twin.text(order)
    for h, g in numbers.items():
        if len(h) < order and h[-1] != EOS:
            expected = math.fsum(share for state, share in states.items() if state[-len(h) :] == h)
            assert begin[g] == pytest.approx(twin.product(h), rel=1e-9)
            assert found[g] == pytest.approx(expected, abs=1e-7), h


def test_a_periodic_text_comes_to_rest():
    """``a b </s>`` for ever: a third each, wherever the iteration begins."""
    model = fit([["a", "b"]] * 9, 3, "mle")
    shares = marginals(model, link(model))
    ids = model.vocabulary.ids(["a", "b"])
    np.testing.assert_allclose(shares[[*ids, BOS, EOS]], 1 / 3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(lines=sentences(most=6, longest=5), order=st.integers(2, 4), data=st.data())
def test_the_pruned_model_is_the_same_without_what_costs_little(name, lines, order, data):
    model = fit(lines, order, name)
    costs = removal(model)
    finite = costs.cost[np.isfinite(costs.cost)].tolist()
    threshold = data.draw(st.sampled_from(finite or [1.0]))
    small = pruned(costs, threshold)
    assert small.counts() == costs.counts(threshold)
    twin, numbers = twin_of(model)
    kept, _ = twin_of(small)
    assert set(kept.p) | {(BOS,)} == {ngram for ngram, g in numbers.items() if costs.cost[g] >= threshold}
    expected = twin.without(set(twin.p) - set(kept.p))
    assert_rows(small, expected, numbers)
    conforms(small, reloaded=False)
    again = removal(model)
    assert_same(pruned(again, threshold), small)


def assert_rows(model, twin, contexts):
    """Every row after a context, or after a part of one that the model does not hold, is the twin's."""
    for h in {()} | {ngram[1:] for ngram in contexts} | {ngram[:-1] for ngram in contexts}:
        if EOS in h or BOS in h[1:]:
            continue
        state = np.full((1, model.context_length), -1, dtype=np.int32)
        state[0, model.context_length - len(h) :] = h
        expected = [twin.prob(w, h) for w in twin.words]
        np.testing.assert_allclose(np.exp(model.log_probs(state)[0, twin.words]), expected, rtol=2e-5, atol=2e-6)


@settings(max_examples=20)
@given(lines=sentences(), order=st.integers(2, 4))
def test_costs_are_closed_and_thresholds_nest(lines, order):
    model = fit(lines, order, "modified-kneser-ney")
    costs = removal(model)
    _, numbers = twin_of(model)
    for ngram, g in numbers.items():
        if len(ngram) > 1:
            assert costs.cost[numbers[ngram[:-1]]] >= costs.cost[g]
            assert costs.cost[numbers[ngram[1:]]] >= costs.cost[g]
    assert (costs.cost[: len(model.vocabulary)] == np.inf).all()
    assert pruned(costs, np.inf).counts() == [len(model.vocabulary)] + [0] * (order - 1)
    assert_same(pruned(costs, 0.0), model)
    by_order = costs.sorted()
    assert [len(some) for some in by_order] == model.counts()
    assert all((np.diff(some[np.isfinite(some)]) >= 0).all() for some in by_order)


def test_what_backs_off_alike_costs_nothing():
    """p(b given a) is what backing off would give: it goes at any threshold above 0, and no probability changes."""
    text = (
        "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t0\n-0.60206\t</s>\n-0.60206\t<unk>\n-0.60206\ta\t0\n"
    )
    text += "-0.60206\tb\n\n\\2-grams:\n-0.60206\ta b\n\n\\end\\\n"
    model = arpa(text)
    costs = removal(model)
    assert costs.cost[-1] == 0
    small = pruned(costs, 1e-300)
    assert small.counts() == [5, 0]
    np.testing.assert_allclose(small.log_probs(np.array([[3]]))[0], model.log_probs(np.array([[3]]))[0], rtol=1e-6)


def test_one_cost_by_hand():
    """p(b) = p(a) = p(</s>) = p(<unk>) = 1/4; after a, b has 1/2, so the other three share 1/2 by a weight of 2/3.

    Without ``a b`` the weight is 1: D = p(a) (1/2 log 2 + 1/2 log(2/3)) = 1/8 log(4/3).
    """
    quarter, half, weight = (math.log10(x) for x in (1 / 4, 1 / 2, 2 / 3))
    unigrams = "".join(f"{quarter}\t{w}\t{weight if w == 'a' else 0}\n" for w in ("</s>", "<unk>", "a", "b"))
    text = (
        f"\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t0\n{unigrams}\n\\2-grams:\n{half}\ta b\n\n\\end\\\n"
    )
    costs = removal(arpa(text), history="product")
    assert costs.cost[-1] == pytest.approx(math.expm1(math.log(4 / 3) / 8), rel=1e-6)


@settings(max_examples=60)
@given(sparse_models(), st.data())
def test_what_an_arpa_file_left_out_stays_out(drawn, data):
    """What stands for it keeps to its definition, so that the pruned model reads back the same."""
    order, table = drawn
    model = arpa(arpa_text(max(order, 2), table))
    costs = removal(model)
    held = np.setdiff1d(np.arange(len(model)), model.inserted)
    threshold = data.draw(st.sampled_from(costs.cost[held].tolist()))
    if threshold == 0:
        threshold = 1e-300
    small = pruned(costs, threshold)
    again = rewritten(small)
    for name in ("starts", "word", "first", "inserted"):
        np.testing.assert_array_equal(getattr(again, name), getattr(small, name), err_msg=name)
    np.testing.assert_allclose(again.inner, small.inner, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again.leaf, small.leaf, rtol=1e-4, atol=1e-5)
    assert small.counts()[0] == model.counts()[0]


@pytest.mark.parametrize("seed", range(3))
def test_models_of_files_that_lack_suffixes_are_pruned_as_their_definition_says(seed):
    """2-grams that are no contexts are left out, though 3-grams end in them: what stands for them is no n-gram."""
    random = np.random.default_rng(seed)
    lines = [random.choice(["a", "b", "c", "d"], p=[0.5, 0.3, 0.15, 0.05], size=3).tolist() for _ in range(9)]
    trained = fit(lines, 3, "witten-bell")
    whole, _ = twin_of(trained)
    contexts = {ngram[:-1] for ngram in whole.p}
    spare = sorted(ngram for ngram in whole.p if len(ngram) == 2 and ngram not in contexts)
    twin = whole.without({spare[i] for i in random.choice(len(spare), size=len(spare) // 2, replace=False)})
    spelt = {tuple(trained.vocabulary.word(w) for w in ngram): ngram for ngram in [(BOS,), *twin.p]}
    model = arpa(
        arpa_text(3, {g: (math.log10(twin.p.get(i, 1)), math.log10(twin.a.get(i, 1))) for g, i in spelt.items()})
    )
    assert len(model.inserted)
    ids = {i: tuple(model.vocabulary[word] for word in g) for g, i in spelt.items()}
    twin = Twin({ids[ngram]: p for ngram, p in twin.p.items()}, twin.words)
    costs = removal(model)
    for threshold in sorted({cost for cost in costs.cost.tolist() if 0 < cost < np.inf}):
        small = pruned(costs, threshold)
        kept, numbers = twin_of(small)
        stand_ins = {ngram for ngram, number in numbers.items() if number in small.inserted}
        assert set(kept.p) - stand_ins <= set(twin.p)
        assert_rows(small, twin.without(set(twin.p) - set(kept.p)), set(twin.p))


def arpa(text):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.arpa"
        file.write_text(text)
        return read_arpa(file)


def rewritten(model):
    with tempfile.TemporaryDirectory() as folder:
        write_arpa(model, Path(folder) / "model.arpa")
        return read_arpa(Path(folder) / "model.arpa")


def test_the_history_of_another_model():
    lines = [["a", "b", "c"], ["a", "c"], ["b", "b"], ["c"]] * 3
    model, other = fit(lines, 3, "modified-kneser-ney"), fit(lines[:2], 2, "witten-bell")
    found = marginals(model, link(model), other)
    twin, _ = twin_of(other)
    _, numbers = twin_of(model)
    known = {w: other.vocabulary[model.vocabulary.word(w)] for w in range(len(model.vocabulary))}
    for h, g in numbers.items():
        if len(h) < 3 and EOS not in h:
            theirs = tuple(known[w] for w in h)
            expected = math.prod(
                twin.prob(EOS if w == BOS else w, theirs[max(0, i - 1) : i]) for i, w in enumerate(theirs)
            )
            assert found[g] == pytest.approx(expected, rel=1e-4), h


def test_what_is_refused():
    model = fit([["a", "b"]], 1, "witten-bell")
    with pytest.raises(
        UsageError,
        match=r"^a model of order 1 holds nothing but its words, and these are not pruned; give a longer order$",
    ):
        removal(model)
    model = fit([["a", "b"]], 2, "witten-bell")
    with pytest.raises(
        UsageError, match=r"^history 'own' is none of stationary, product, and no n-gram model; give one of these$"
    ):
        removal(model, history="own")


def test_a_damaged_model_is_refused():
    model = fit([["a", "b", "c"], ["b", "c"]], 3, "witten-bell")
    message = r"^this is no n-gram model: its n-grams are damaged; train or copy it again$"
    for name, at, value in (("first", 3, 2**31), ("word", -1, 2**31), ("word", -1, 0), ("first", -1, 0)):
        arrays = {key: array.copy() for key, array in model.arrays().items()}
        arrays[name][at] = value
        with pytest.raises(UsageError, match=message):
            removal(type(model)(model.vocabulary, 3, arrays))
