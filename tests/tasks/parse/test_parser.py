"""The parser as a user holds it: it learns, is saved and opened, and names what is wrong with its input."""

import numpy as np
import pytest

from parse_trees import sentence

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402

from nextword.errors import StoreError, TextError, TrainingError, UsageError  # noqa: E402
from nextword.tasks.parse.parser import Parser  # noqa: E402
from nextword.text.conllu import Sentence, check_tree  # noqa: E402

NOUNS, VERBS, ADJECTIVES = ["cats", "dogs", "birds", "students"], ["see", "like", "chase"], ["old", "small"]
SMALL = {"lstm_size": 16, "hidden_size": 24, "embedding_size": 12, "tag_size": 8, "label_size": 4, "min_count": 1}
CROSSING = sentence("a/0/root/X b/4/dep/X c/1/dep/X d/1/dep/X")


def grammar(count, seed=0):
    """``[old] cats see [small] dogs [.]``, with trees."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        words, verb = [], 0
        for role in ("nsubj", "obj"):
            if random.random() < 0.5:
                words.append((random.choice(ADJECTIVES), "amod", "ADJ", len(words) + 2))
            words.append((random.choice(NOUNS), role, "NOUN", -1))
            if role == "nsubj":
                words.append((random.choice(VERBS), "root", "VERB", 0))
                verb = len(words)
        if random.random() < 0.5:
            words.append((".", "punct", "PUNCT", -1))
        rows = [f"{form}/{verb if head < 0 else head}/{name}/{tag}" for form, name, tag, head in words]
        found.append(sentence(" ".join(rows)))
    return found


def settings(**given):
    return {"epochs": 8, "batch_size": 4, "lr": 0.01, "threads": 1, "precision": "float32", **given}


@pytest.fixture(scope="module")
def parser():
    return Parser(**SMALL, training=settings()).fit(grammar(80), valid=grammar(20, seed=1))


def test_a_small_grammar_is_learnt(parser):
    held_out = grammar(30, seed=2)
    assert parser.score(held_out) > 0.95
    assert parser.report_.valid_loss == pytest.approx(1 - parser.score(grammar(20, seed=1)))
    assert list(parser.lexicons_) == ["form", "ending", "shape", "upos"]  # no word has XPOS or FEATS


@pytest.mark.parametrize("activation", ["cube", "relu"])
def test_the_network_of_chen_and_manning_learns_it_too(activation):
    found = Parser(**SMALL, layers=0, activation=activation, training=settings()).fit(grammar(80))
    assert found.score(grammar(30, seed=2)) > 0.9


def test_predictions_replace_heads_and_keep_the_rest(parser):
    given = Sentence(
        sentence("old/2/x/ADJ cats/1/x/NOUN see/0/x/VERB dogs/2/x/NOUN").words,
        comments=("# sent_id = 7",),
        others=((0, "1-2\toldcats" + "\t_" * 8),),
        where="a.conllu:3",
    )
    [found] = parser.predict([given])
    assert [(word.head, word.deprel) for word in found.words] == [(2, "amod"), (3, "nsubj"), (0, "root"), (3, "obj")]
    assert (found.comments, found.others, found.where) == (given.comments, given.others, given.where)
    assert [word.upos for word in found.words] == ["ADJ", "NOUN", "VERB", "NOUN"]


def test_a_sentence_alone_is_parsed_as_among_others(parser):
    many = [*grammar(150, seed=3), sentence("cats/0/root/NOUN")]
    together = parser.predict(many)
    assert [parser.predict([one])[0] for one in many[::10]] == together[::10]
    assert parser.predict([]) == []


def test_the_transitions_build_the_tree(parser):
    from nextword.tasks.parse.trace import steps

    for derivation in parser.derive(grammar(10, seed=4)):
        check_tree(derivation.sentence)
        assert len(list(steps(*derivation))) == 2 * len(derivation.sentence.words)


def test_it_is_saved_and_opened_as_it_was(parser, tmp_path):
    parser.save(tmp_path / "parser")
    again = Parser.load(tmp_path / "parser")
    unknown = sentence("Zebras/2/nsubj/NOUN admire/0/root/VERB 42/2/obj/NUM")
    given = [*grammar(20, seed=5), unknown]
    assert again.predict(given) == parser.predict(given)
    assert again.labels_ == parser.labels_
    assert {n: a.tolist() for n, a in again.arrays().items()} == {n: a.tolist() for n, a in parser.arrays().items()}
    assert again.get_params() == {**parser.get_params(), "training": None, "tags": ["upos", "xpos", "feats"]}
    assert again.info["settings"]["steps"] == parser.report_.steps


def test_another_kind_of_model_is_no_parser(tmp_path):
    from nextword import train
    from nextword.text.corpus import Corpus

    corpus = Corpus.from_lines(["a b", "b a"])
    train(corpus, kind="ngram", order=2, smoothing="witten-bell").save(tmp_path / "ngram")
    with pytest.raises(StoreError, match=r"holds a model of kind ngram, expected a parser"):
        Parser.load(tmp_path / "ngram")


def test_a_seed_makes_the_same_parser():
    first, second = (Parser(**SMALL, training=settings(epochs=1, seed=3)).fit(grammar(20)) for _ in range(2))
    assert all(np.array_equal(array, second.arrays()[name]) for name, array in first.arrays().items())


def test_crossing_arcs_are_lifted_or_skipped_and_counted():
    known = [*grammar(3), CROSSING]
    lifting = Parser(**SMALL, training=settings(epochs=1)).fit(known)
    skipping = Parser(**SMALL, nonprojective="skip", training=settings(epochs=1)).fit(known)
    assert (lifting.nonprojective_, skipping.nonprojective_) == (1, 1)
    assert "dep" in lifting.labels_
    assert "dep" not in skipping.labels_
    with pytest.raises(TrainingError) as error:
        Parser(**SMALL, nonprojective="skip").fit([CROSSING])
    assert str(error.value) == (
        "there is no sentence to train on: all have arcs that cross; lift them (nonprojective='lift')"
    )


def test_what_cannot_be_learnt_from_is_named():
    with pytest.raises(TextError, match=r"^<memory>:1: the heads go in a circle"):
        Parser(**SMALL).fit([sentence("a/2/x b/1/x c/0/x")])
    with pytest.raises(TrainingError) as error:
        Parser(**SMALL).fit([])
    assert str(error.value) == "there is no sentence to train on: give some with trees"
    with pytest.raises(TrainingError) as error:
        Parser(**SMALL).fit(grammar(1), valid=[])
    assert str(error.value) == ("there is no held-out sentence; give some with trees, or none at all (valid=None)")
    with pytest.raises(TextError, match=r"^<memory>:1: the heads go in a circle"):
        Parser(**SMALL).fit(grammar(1), valid=[sentence("a/2/x b/1/x c/0/x")])
    with pytest.raises(NotFittedError, match=r"^This Parser instance is not fitted yet"):
        Parser(**SMALL).predict(grammar(1))
    with pytest.raises(UsageError) as usage:
        Parser(**SMALL, nonprojective="drop").fit(grammar(1))
    assert str(usage.value) == "nonprojective='drop': expected one of lift, skip"
    with pytest.raises(UsageError) as usage:
        Parser(**SMALL, tags=["pos"]).fit(grammar(1))
    assert str(usage.value) == "tags='pos': expected some of upos, xpos, feats"


def test_missing_tags_are_named(parser):
    with pytest.raises(UsageError) as error:
        parser.predict([*grammar(1), Sentence.of(["cats", "see"], where="b.txt:9")])
    assert str(error.value) == (
        "b.txt:9: the words have no UPOS, which this parser reads; tag them first (--tagger DIR)"
    )


def test_what_is_empty_or_oddly_named_is_no_matter():
    odd = sentence("<unk>/2/<unk> <s>/0/</s> é/2/_")
    found = Parser(**SMALL, training=settings(epochs=1)).fit([odd, Sentence(())], valid=[odd, Sentence(())])
    trees = found.predict([Sentence(()), odd])
    assert trees[0] == Sentence(())
    check_tree(trees[1])


def test_a_stopped_run_goes_on(tmp_path):
    """The same weights as those of a run that was never stopped."""
    given = {"directory": tmp_path / "run"}
    known = grammar(20)

    def stop(status):
        if status.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Parser(**SMALL, training=settings(epochs=2, checkpoint_every=0.0)).fit(known, run={**given, "watch": stop})
    again = Parser(**SMALL, training=settings(epochs=2, checkpoint_every=0.0)).fit(known, run={**given, "resume": True})
    whole = Parser(**SMALL, training=settings(epochs=2)).fit(known)
    assert again.report_.steps == whole.report_.steps == 10
    assert all(np.array_equal(array, whole.arrays()[name]) for name, array in again.arrays().items())


def test_words_alone_may_be_enough():
    found = Parser(**SMALL, tags=(), training=settings(epochs=1)).fit(grammar(20))
    assert list(found.lexicons_) == ["form", "ending", "shape"]
    [tree] = found.predict([Sentence.of(["cats", "see", "dogs"])])
    check_tree(tree)


def test_it_keeps_the_conventions_of_scikit_learn():
    given = Parser(**SMALL, tags=("upos",))
    assert clone(given).get_params() == given.get_params()
    assert given.set_params(layers=0).layers == 0
    with pytest.raises(ValueError, match=r"^Invalid parameter 'depth' for estimator Parser"):
        given.set_params(depth=1)
