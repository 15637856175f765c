"""The model over its arrays alone: from a trie without a hash table, and at the edges of what a model may be."""

import numpy as np
import pytest

from nextword.model import check_language_model
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.scoring import BLOCK
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import SPECIALS

CASES = {  # name: (lines, order, n-grams of each order)
    "order 1": (["a b", "a"], 1, [5]),
    "order 3": (["a b", "a"], 3, [5, 4, 3]),
    "three words, order 1": ([""], 1, [3]),
    "three words, order 2": (["", ""], 2, [3, 1]),
    "three words, an empty highest order": ([""], 3, [3, 1, 0]),
    "empty highest orders": (["a", "b"], 6, [5, 4, 2, 0, 0, 0]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_trie_without_a_table_gives_the_same_model(case):
    lines, order, counts = CASES[case]
    model = train_ngram(Corpus.from_lines(lines), order=order, smoothing="witten-bell")
    arrays = model.arrays()
    arrays.pop("table")
    again = BackoffModel.from_trie(model.vocabulary, order, **arrays)
    assert again.counts() == model.counts() == counts
    assert again.vocabulary.words[:3] == [*SPECIALS]
    np.testing.assert_array_equal(again.table, model.table)
    check_language_model(again, 1e-4)
    tokens = np.array([[2, 0, 0], [0, len(model.vocabulary) - 1, 2]], dtype=np.int32)
    np.testing.assert_array_equal(again.token_log_probs(tokens)[0], model.token_log_probs(tokens)[0])


def test_what_came_before_a_sentence_has_no_weight_in_it():
    """Even where n-grams that end in ``</s>`` have back-off weights, which no estimator gives them but a file may."""
    model = train_ngram(Corpus.from_lines(["a b", "b a b", "c"]), order=4, smoothing="witten-bell")
    arrays = {name: array.copy() for name, array in model.arrays().items() if name != "table"}
    ends = np.flatnonzero(arrays["word"][: len(arrays["inner"])] == model.eos)
    arrays["inner"][ends, 1] = -3.0
    weighted = BackoffModel.from_trie(model.vocabulary, 4, **arrays)
    sentences = [model.vocabulary.encode(line.encode()).ids for line in ("a b", "c a", "", "b b", "c")]
    together = weighted.stream_log_probs(np.concatenate(sentences))
    alone = [weighted.stream_log_probs(sentence) for sentence in sentences]
    assert len(ends) > 3
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("shift", range(6))
def test_where_a_block_of_the_scorer_ends_changes_nothing(shift):
    """Sentences that lie across the edge, at each of its words, score as they do alone; an empty row is an edge too."""
    model = train_ngram(Corpus.from_lines(["a b c a b", "b c a a", "c"]), order=5, smoothing="witten-bell")
    sentence = model.vocabulary.encode(b"b c a b c a b b").ids
    filler = np.full(BLOCK - 4 - shift, -1, dtype=np.int32)
    stream = np.concatenate([filler, [model.eos], sentence, np.tile(sentence, BLOCK // 4)]).astype(np.int32)
    scores, orders = model.score_stream(stream)
    alone, found = model.score_stream(np.concatenate([[model.eos], sentence]).astype(np.int32))
    begin = len(filler) + 1
    for at in range(begin, len(stream), len(sentence)):
        np.testing.assert_array_equal(scores[at : at + len(sentence)], alone[1:])
        np.testing.assert_array_equal(orders[at : at + len(sentence)], found[1:])
    assert (scores[: len(filler)] == 0).all()
    assert found.max() == 5
