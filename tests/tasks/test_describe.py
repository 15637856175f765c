"""What ``info`` says of a model, against counts by hand."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from nextword.api import train
from nextword.mixture import Mixture
from nextword.ngram.arpa import read_arpa, write_arpa
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.describe import describe, unigram_probabilities
from nextword.text.corpus import Corpus
from strategies import corpus
from toy import BigramTable

LINES = [["a", "b", "c"], ["a", "b"], [], ["c", "a", "b"]]


def model(order, name="witten-bell"):
    return train_ngram(corpus(LINES), order=order, smoothing=Smoothing(name, discount_fallback=True))


def test_counts_and_coverage_by_hand():
    """Six words with the specials. Bigrams: <s> a, a b, b c, c </s>, b </s>, <s> </s>, <s> c, c a: 8 of 5 · 5."""
    bigrams = Counter(pair for line in LINES for pair in pairwise(["<s>", *line, "</s>"]))
    found = describe(model(3))
    assert found["kind"] == "ngram"
    assert (found["order"], found["context_length"], found["vocabulary"]) == (3, 2, 6)
    assert found["ngrams"][:2] == [6, 8]
    assert len(bigrams) == 8
    assert found["bigram_coverage"] == 8 / 25
    assert found["parameters"] == sum(found["ngrams"]) + 6 + 8  # a back-off weight for each but the trigrams
    assert found["oov_policy"] == "an unknown word is <unk>, which has a probability of its own"
    assert found["smoothing"] == "witten-bell"


def test_order_1_has_no_bigrams():
    found = describe(model(1))
    assert (found["ngrams"], found["parameters"], found["context_length"]) == ([6], 6, 0)
    assert "bigram_coverage" not in found


def test_a_scorer_is_described_too():
    found = describe(model(2, "stupid-backoff"))
    assert (found["kind"], found["ngrams"]) == ("stupid-backoff", [6, 8])


def test_discounts_and_notes_are_shown():
    """Distinct words to the left: a 2, b 1, c 2, </s> 3, so n1 = 1, n2 = 2; bigrams: n1 = 5, n2 = 2."""
    found = describe(model(2, "kneser-ney"))
    assert (found["discounts"], found["notes"]) == ([[0.2], [0.555556]], [])
    noted = describe(model(2, "katz"))["notes"]
    assert [note.partition(":")[0] for note in noted] == ["order 1", "order 2"]


@pytest.mark.parametrize("order", [1, 2])
def test_unigram_probabilities_leave_the_specials_out(order):
    """Occurrences: a 3, b 3, c 2, </s> 4; relative frequencies, since they are maximum likelihood."""
    lm = model(order, "mle")
    by_word = dict(zip(lm.vocabulary.words[3:], unigram_probabilities(lm), strict=True))
    assert by_word == pytest.approx({"a": 3 / 12, "b": 3 / 12, "c": 2 / 12}, rel=1e-6)


ZIPF = (5040 / np.arange(1, 51)).round().astype(int)  # word i of fifty comes 5040 / i times


@pytest.mark.parametrize("name", ["mle", "laplace", "modified-kneser-ney"])
@pytest.mark.parametrize("order", [1, 2])
def test_zipf_is_of_the_words_that_were_counted(order, name):
    text = corpus([[f"w{i}"] for i, n in enumerate(ZIPF) for _ in range(n)])
    found = describe(train_ngram(text, order=order, smoothing=Smoothing(name, discount_fallback=True)))
    assert found["zipf_exponent"] == pytest.approx(1.0, abs=0.01)
    assert found["zipf_exponent_of"] == "word counts in the training text"


@pytest.mark.parametrize("order", [1, 2])
def test_a_model_from_an_arpa_file_has_only_its_unigram_probabilities(tmp_path, order):
    text = corpus([[f"w{i}"] for i, n in enumerate(ZIPF) for _ in range(n)])
    write_arpa(train_ngram(text, order=order, smoothing="mle"), tmp_path / "x.arpa")
    found = describe(read_arpa(tmp_path / "x.arpa"))
    assert found["order"] == order
    assert found["zipf_exponent"] == pytest.approx(1.0, abs=0.01)
    assert found["zipf_exponent_of"] == "unigram probabilities"


def test_any_language_model_can_be_described():
    lm = BigramTable()
    lm.kind = "toy"
    assert describe(lm) == {
        "kind": "toy",
        "vocabulary": 6,
        "context_length": 1,
        "oov_policy": "an unknown word is <unk>, which has a probability of its own",
    }
    lm.vocabulary.unk = None
    assert describe(lm)["oov_policy"] == "an error"


def test_a_network_has_weights_and_settings():
    """V = 6: embeddings 6 · 4, one LSTM layer 4 · 3 · (4 + 3 + 2), output 6 · 3 + 6."""
    pytest.importorskip("torch")
    sizes = {"embedding_size": 4, "hidden_size": 3, "layers": 1}
    lm = train(Corpus.from_lines(["a b c", "a b"]), kind="lstm", steps=1, batch_size=1, **sizes)
    found = describe(lm.model)
    assert (found["kind"], found["scope"], found["vocabulary"], found["context_length"]) == ("lstm", "stream", 6, None)
    assert found["parameters"] == 6 * 4 + 4 * 3 * (4 + 3 + 2) + 6 * 3 + 6
    assert (found["network"]["hidden_size"], found["network"]["cell"]) == (3, "lstm")


def test_a_mixture_has_members():
    found = describe(Mixture([model(2), model(3)], [0.25, 0.75]))
    assert found["members"] == [{"kind": "ngram", "weight": 0.25}, {"kind": "ngram", "weight": 0.75}]
    assert found["parameters"] == describe(model(2))["parameters"] + describe(model(3))["parameters"] + 2
