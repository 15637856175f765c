"""Explanations of whole texts: by each kind of model, each token's part, and what cannot be explained."""

import json
import math

import numpy as np
import pytest

import nextword
from nextword.errors import TextError, UsageError
from nextword.mixture import Mixture
from nextword.tasks.explain import explain_text
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from toy import BigramTable

LINES = ["students opened their books", "students opened their laptops", "the students read", "", "they opened it"] * 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An n-gram model whose training text is there, and that text."""
    file = tmp_path_factory.mktemp("explain") / "train.txt"
    file.write_text("\n".join(LINES) + "\n")
    return nextword.train(file, order=3, smoothing="witten-bell"), file


@pytest.fixture
def network(trained):
    """An LSTM of random weights over the same words; ``scope`` as asked."""
    torch = pytest.importorskip("torch")
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel

    vocabulary = trained[0].model.vocabulary

    def make(scope="stream"):
        torch.manual_seed(0)
        sizes = {"embedding_size": 4, "hidden_size": 4, "layers": 1}
        return NeuralModel(build("lstm", sizes, len(vocabulary), vocabulary.bos), vocabulary, scope=scope)

    return make


def test_every_token_of_an_n_gram_models_text(trained):
    lm, file = trained
    found = explain_text(lm, "students opened it\nthe zebras read\n")
    assert found.tokens == ("students", "opened", "it", "</s>", "the", "zebras", "read", "</s>")
    assert found.texts == ("students", "opened", "it", "\n", "the", "zebras", "read", "\n")
    assert found.oov == (False,) * 5 + (True, False, False)
    assert found.positions == tuple(range(8))
    assert found.log_probs == pytest.approx(
        [-s.bits * math.log(2) for s in lm.surprisal("students opened it\nthe zebras read\n")]
    )
    assert [path.log_prob for path in found.paths] == pytest.approx(found.log_probs)
    assert [path.token for path in found.paths] == list(found.tokens)
    assert found.paths[5].word == "<unk>"
    assert [len(path.rungs) for path in found.paths] == [2, 3, 3, 3, 2, 3, 3, 3]  # a line begins with <s> alone
    assert found.paths[4].rungs[0].context == ("<s>",)
    assert (found.counts, found.no_counts) == (str(file), None)
    assert all(rung.counted.agrees for path in found.paths for rung in path.rungs)


def test_one_position_is_that_of_all(trained):
    lm, _ = trained
    text = "students opened it\nthe zebras read"
    whole, one = explain_text(lm, text), explain_text(lm, text, position=7)
    assert (one.positions, one.paths, one.log_probs) == ((6,), (whole.paths[6],), whole.log_probs)


def test_a_text_may_be_named_for_its_counts(trained, tmp_path):
    lm, file = trained
    moved = nextword.LM(lm.model, lm.pipeline)
    found = explain_text(moved, "students opened it", position=2)
    assert found.no_counts == (
        "the model does not say what it was trained on; name the text with nextword explain --train"
    )
    assert found.counts is None and found.paths[0].rungs[0].counted is None
    named = explain_text(moved, "students opened it", position=2, train=file)
    assert named.counts == str(file) and named.paths[0].rungs[0].counted.agrees
    # ``compare`` trains on the first lines of a text and says how many
    longer = tmp_path / "all.txt"
    longer.write_text(file.read_text() + "they read it\n" * 9)
    part = nextword.LM(lm.model, lm.pipeline, info={"settings": {"split": [len(LINES), 5, 4]}})
    assert explain_text(part, "they read it", position=3, train=longer).paths[0].rungs[0].counted.agrees
    assert not explain_text(moved, "they read it", position=3, train=longer).paths[0].rungs[0].counted.agrees


def test_what_a_stream_was_read_before(network):
    model = network()
    found = explain_text(nextword.LM(model, Pipeline()), "the students\nread it", position=5)
    (one,) = found.influences
    assert (one.position, one.token, one.inputs) == (4, "it", ("</s>", "the", "students", "</s>", "read"))
    assert len(one.norms) == len(one.products) == 5
    assert one.log_prob == pytest.approx(found.log_probs[4], abs=1e-6)


def test_a_sentence_model_looks_at_its_own_sentence(network):
    lm = nextword.LM(network("sentence"), Pipeline())
    whole = explain_text(lm, "the students\nread it")
    assert [one.position for one in whole.influences] == list(range(6))
    one = whole.influences[4]
    assert (one.token, one.inputs) == ("it", ("<s>", "read"))
    alone = explain_text(lm, "read it").influences[1]
    assert one.norms == pytest.approx(alone.norms)
    assert explain_text(lm, "the students\nread it", position=5).influences[0].norms == pytest.approx(one.norms)


def test_a_mixture_is_its_members_shares(trained, network):
    lm, file = trained
    model = Mixture([network(), lm.model], [0.25, 0.75])
    found = explain_text(nextword.LM(model, lm.pipeline, info=lm.info), "students read it", position=3)
    lstm, ngram = found.members
    assert (lstm.kind, lstm.weight, ngram.kind, ngram.weight) == ("lstm", 0.25, "ngram", 0.75)
    p = [0.25 * math.exp(lstm.log_probs[2]), 0.75 * math.exp(ngram.log_probs[2])]
    assert math.exp(found.log_probs[2]) == pytest.approx(sum(p))
    assert [lstm.shares[2], ngram.shares[2]] == pytest.approx([p[0] / sum(p), p[1] / sum(p)])
    assert ngram.log_probs == explain_text(lm, "students read it").log_probs
    assert lstm.explanation.influences[0].token == "it"
    assert ngram.explanation.paths == explain_text(lm, "students read it", position=3).paths
    assert ngram.explanation.counts == str(file)


def test_members_may_number_their_words_otherwise(trained):
    lm, _ = trained
    other = nextword.train(
        Corpus.from_lines(LINES[::-1]),
        order=2,
        smoothing=nextword.Smoothing("kneser-ney", discount=0.5, like_lmplz=True),
    )
    model = Mixture([lm.model, other.model])
    found = explain_text(nextword.LM(model, lm.pipeline), "students read it", position=1)
    assert found.members[1].explanation.paths[0].word == "students"
    expected = other.model.token_log_probs(np.append(other.ids("students read it"), 2)[None])[0][0]
    assert found.members[1].log_probs == pytest.approx(expected)


def test_json_says_the_same(trained, network):
    lm, _ = trained
    model = Mixture([network(), lm.model])
    written = json.loads(
        json.dumps(explain_text(nextword.LM(model, lm.pipeline), "read it").to_json(), allow_nan=False)
    )
    assert written["tokens"] == ["read", "it", "</s>"]
    assert [part["kind"] for part in written["members"]] == ["lstm", "ngram"]
    assert written["members"][1]["explanation"]["paths"][1]["rungs"][0]["context"] == ["<s>", "read"]


def test_a_probability_of_nothing_is_explained():
    lm = nextword.train(Corpus.from_lines(LINES), order=2, smoothing="mle")
    found = explain_text(lm, "books students")
    assert found.paths[0].probability == 0.0
    assert found.to_json()["log_probs"][0] is None


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", None, "the text is empty; give one with at least one line"),
        ("read it", 4, "position 4: the text has 3 tokens; give 1 to 3"),
        ("read it", 0, "position 0: the text has 3 tokens; give 1 to 3"),
        ("a " * 20_001, 1, "the text has 20,002 tokens, and 20,000 are looked at at once; give a shorter one"),
    ],
)
def test_texts_and_positions_that_are_none(trained, text, position, words):
    with pytest.raises(UsageError) as error:
        explain_text(trained[0], text, position=position)
    assert str(error.value) == words


def test_a_mark_of_the_beginning_in_the_text(trained):
    with pytest.raises(TextError):
        explain_text(trained[0], "read <s> it")


def test_a_long_text_of_a_network_wants_a_position(network):
    lm = nextword.LM(network(), Pipeline())
    with pytest.raises(UsageError) as error:
        explain_text(lm, "read it " * 150)
    assert str(error.value) == ("the text has 301 tokens, and 256 are explained at once; choose one by its position")
    assert len(explain_text(lm, "read it " * 150, position=300).influences[0].norms) == 300


def test_models_without_an_explanation(trained):
    scores = nextword.train(Corpus.from_lines(LINES), order=2, smoothing="stupid-backoff")
    with pytest.raises(UsageError) as error:
        explain_text(scores, "read it")
    assert str(error.value) == (
        "a stupid-backoff model gives scores, no probabilities, so there is none to explain; give another"
    )
    with pytest.raises(UsageError) as error:
        explain_text(nextword.LM(BigramTable()), "a b")
    assert str(error.value) == (
        "a BigramTable model is neither of n-grams nor a network nor a mixture of these; give one that is"
    )
