"""The model over its arrays alone: from a trie without a hash table, and at the edges of what a model may be."""

import numpy as np
import pytest

from nextword.model import check_language_model
from nextword.ngram.backoff import BackoffModel
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
