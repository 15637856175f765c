"""CBOW: one step against the gradient by finite differences, and words of the same contexts become neighbours."""

import itertools

import numpy as np
import pytest

from nextword.errors import TrainingError, UsageError
from nextword.neural.cbow import CbowSettings, learn, train_cbow
from nextword.neural.embeddings import Embeddings, nearest_words
from nextword.neural.foundations import sigmoid
from nextword.text.indexing import Indexer
from nextword.text.vocabulary import Vocabulary

BOS, EOS = 1, 2
TOKENS = np.array([2, 3, 4, 5, 3, 2, 6, 2], dtype=np.int32)  # </s> a b c a </s> d </s>


def text_ids(lines):
    indexer = Indexer()
    indexer.read("".join(line + "\n" for line in lines).encode())
    return indexer.finish()


def objective(vectors, outputs, context, word, noise):
    """J of one word by the formula."""
    hidden = vectors[context].mean(axis=0)
    return -np.log(sigmoid(outputs[word] @ hidden)) - sum(np.log(sigmoid(-outputs[n] @ hidden)) for n in noise)


@pytest.mark.parametrize(
    ("middle", "context"),
    [(3, [4, 3, 3, EOS]), (2, [3, BOS, 5, 3]), (1, [BOS, 4, 5]), (4, [5, 4, EOS]), (6, [BOS, EOS])],
)
def test_a_step_goes_down_the_gradient(middle, context):
    """θ ← θ − η ∂J/∂θ for every number, by central differences; contexts stay in the sentence and hold its ends."""
    random = np.random.default_rng(middle)
    vectors, outputs = random.normal(size=(2, 7, 4)).astype(np.float32)
    noise = np.array([[0, 5, 5, 6]], dtype=np.int32)
    word = TOKENS[middle]
    drawn = [n for n in noise[0] if n != word]
    rate = 1e-3
    moved = [vectors.copy(), outputs.copy()]
    loss = learn(TOKENS, np.array([middle]), noise, *moved, 2, rate, BOS, EOS)
    exact = [vectors.astype(np.float64), outputs.astype(np.float64)]
    assert loss == pytest.approx(objective(*exact, context, word, drawn), rel=0.01)
    for table, after in zip(exact, moved, strict=True):
        for index in np.ndindex(table.shape):
            kept, values = table[index], []
            for sign in (1, -1):
                table[index] = kept + sign * 1e-5
                values.append(objective(*exact, context, word, drawn))
            table[index] = kept
            expected = rate * (values[0] - values[1]) / 2e-5
            assert kept - after[index] == pytest.approx(expected, abs=5e-6)  # noise 5 twice: two steps, not one


PEOPLE = ["students", "pupils", "scholars"]
PLACES = ["park", "store", "school"]


@pytest.fixture(scope="module")
def embeddings():
    people = [
        f"{a} {verb} their {b}" for a, verb, b in itertools.product(PEOPLE, ["opened", "closed"], ["books", "bags"])
    ]
    places = [f"we {verb} to the {place} ." for verb, place in itertools.product(["went", "walked", "ran"], PLACES)]
    tokens, vocabulary = text_ids(people + places)
    settings = CbowSettings(embedding_size=16, window=3, epochs=200, rate=0.2)
    return Embeddings(vocabulary.words[3:], train_cbow(tokens, vocabulary, settings)[3:])  # the specials aside


@pytest.mark.parametrize("group", [PEOPLE, PLACES, ["books", "bags"], ["opened", "closed"], ["went", "walked", "ran"]])
def test_words_of_the_same_contexts_become_neighbours(embeddings, group):
    for word in group:
        nearest = nearest_words(embeddings, word, len(group) - 1)
        assert {other for other, _ in nearest} == set(group) - {word}


def test_the_seed_decides_all():
    tokens, vocabulary = text_ids(["a b c", "c b a"])
    settings = CbowSettings(embedding_size=4, epochs=2, subsample=0.1)
    first = train_cbow(tokens, vocabulary, settings)
    assert (first.shape, first.dtype) == ((6, 4), np.float32)
    assert (first == train_cbow(tokens, vocabulary, settings)).all()
    assert (first != train_cbow(tokens, vocabulary, CbowSettings(embedding_size=4, epochs=2, seed=1))).any()


def test_the_loss_falls_and_every_word_is_learnt_from():
    tokens, vocabulary = text_ids(["a b c d", "d c b a"] * 5)
    seen, losses = [], []

    def progress(words, loss):
        seen.append(words)
        losses.append(loss)

    train_cbow(tokens, vocabulary, CbowSettings(embedding_size=8, epochs=30, rate=0.2), progress=progress)
    assert seen == [40] * 30
    assert losses[0] == pytest.approx(np.log(2) * (1 + 5 * 0.75), rel=0.05)  # all even, a quarter of the draws its own
    assert losses[-1] < 0.8 * losses[0]


def test_frequent_words_are_left_out_of_an_epoch_at_random():
    """A word of relative frequency f stays with probability √(t/f): √(0.09/0.9) of "the", √(0.09/0.1) of "rose"."""
    tokens, vocabulary = text_ids(["the " * 9 + "rose"] * 1000)
    counts = []
    settings = CbowSettings(embedding_size=2, epochs=1, subsample=0.09)
    train_cbow(tokens, vocabulary, settings, progress=lambda words, loss: counts.append(words))
    assert sum(counts) == pytest.approx(9000 * 0.1**0.5 + 1000 * 0.9**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window=0: expected a whole number, 1 or more"),
        ({"embedding_size": 0}, "embedding_size=0: expected a whole number, 1 or more"),
        ({"rate": 0.0}, "rate=0.0: expected a learning rate above 0, such as 0.1"),
        ({"subsample": 1.0}, "subsample=1.0: expected a relative frequency, such as 0.001, or 0 for none"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UsageError) as caught:
        CbowSettings(**settings)
    assert str(caught.value) == message


def test_a_text_without_words():
    tokens, vocabulary = text_ids(["", ""])
    with pytest.raises(TrainingError) as caught:
        train_cbow(tokens, vocabulary)
    assert str(caught.value) == "the training text has no words; give a file with at least one line of text"


def test_a_vocabulary_without_ends():
    with pytest.raises(UsageError) as caught:
        train_cbow(TOKENS, Vocabulary.from_words(["a"], unk=None, bos=None, eos=None))
    expected = "CBOW needs a vocabulary with </s>, which ends the sentences; train on another's ids"
    assert str(caught.value) == expected
