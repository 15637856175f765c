"""n-grams whose prefixes and suffixes the file lacks: they are added, and no score changes."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import ArpaError
from nextword.ngram.arpa import read_arpa, write_arpa
from nextword.ngram.kernels import LN10
from nextword.text.vocabulary import SPECIALS
from ngram.arpa.samples import assert_same, ngrams

FIRST, MIDDLE, LAST = ["<s>", "<unk>", "a", "b"], ["<unk>", "a", "b"], ["<unk>", "a", "b", "</s>"]
LOG10 = st.integers(-800, 0).map(lambda n: n / 128)


@st.composite
def sparse_models(draw):
    """(order, {words: (log10 probability, back-off weight)}): all unigrams, and any few of the longer n-grams."""
    order = draw(st.integers(1, 5))
    table = {(word,): (draw(LOG10), draw(LOG10)) for word in [*SPECIALS, "a", "b"]}
    for k in range(2, order + 1):
        shape = st.tuples(st.sampled_from(FIRST), *[st.sampled_from(MIDDLE)] * (k - 2), st.sampled_from(LAST))
        for ngram in draw(st.lists(shape, unique=True, max_size=4)):
            table[ngram] = (draw(LOG10), draw(LOG10) if k < order else 0.0)
    return order, table


def arpa_text(order, table):
    """ARPA text of a table, its n-grams as they come."""
    levels = [[(words, pair) for words, pair in table.items() if len(words) == k] for k in range(1, order + 1)]
    text = "\\data\\\n" + "".join(f"ngram {k}={len(level)}\n" for k, level in enumerate(levels, 1))
    for k, level in enumerate(levels, 1):
        text += f"\n\\{k}-grams:\n"
        for words, (log_prob, backoff) in level:
            text += f"{log_prob}\t{' '.join(words)}" + (f"\t{backoff}\n" if k < order else "\n")
    return text + "\n\\end\\\n"


def definition(table, context, word):
    """log10 p(word given context) as the format defines it, step by step."""
    if (*context, word) in table:
        return table[(*context, word)][0]
    return table.get(context, (0.0, 0.0))[1] + definition(table, context[1:], word)


@given(sparse_models())
@settings(max_examples=150)
def test_scores_are_those_of_the_file_and_the_closure_is_whole(tmp_path_factory, drawn):
    order, table = drawn
    path = tmp_path_factory.mktemp("sparse") / "model.arpa"
    path.write_text(arpa_text(order, table))
    model = read_arpa(path)
    found = ngrams(model)
    assert {words: pair for words, (*pair, listed) in found.items() if listed} == {
        w: [*p] for w, p in table.items()
    } or (
        order == 1  # whose back-off weights are not in the file
    )
    assert all(ngram[1:] in found and ngram[:-1] in found for ngram in found if len(ngram) > 1)
    for words in product(MIDDLE, repeat=min(order - 1, 3)):
        for context in (words, ("<s>", *words[1:])) if words else (words,):
            state = np.full((1, order - 1), -1, dtype=np.int32)
            state[0, order - 1 - len(context) :] = model.vocabulary.ids(context)
            log_probs = model.log_probs(state)[0] / LN10
            for word in LAST:
                assert log_probs[model.vocabulary[word]] == pytest.approx(definition(table, context, word), abs=2e-5)
    write_arpa(model, path)
    assert_same(model, read_arpa(path))


def test_more_missing_prefixes_and_suffixes_than_any_model_has_are_refused(file):
    words = [f"w{i}" for i in range(100)]
    lines = [" ".join(np.random.default_rng(seed).permutation(words)) for seed in range(100)]
    text = "\\data\\\nngram 1=102\n" + "".join(f"ngram {k}={100 * (k == 100)}\n" for k in range(2, 101))
    text += "\n\\1-grams:\n" + "".join(f"-1 {word}\n" for word in ["<s>", "</s>", *words])
    text += (
        "".join(f"\n\\{k}-grams:\n" for k in range(2, 101)) + "".join(f"-1 {line}\n" for line in lines) + "\n\\end\\\n"
    )
    with pytest.raises(ArpaError, match="lack a prefix or suffix"):
        read_arpa(file(text))
