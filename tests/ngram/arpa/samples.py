"""A small ARPA file, and models and files as plain dictionaries."""

import numpy as np

SMALL = r"""\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-1	<unk>	0
0	<s>	-0.5
-0.75	</s>	0
-0.5	a	-0.25
-0.625	b	0.125

\2-grams:
-0.25	<s> a	-1.5
-0.125	a b	0
-0.375	b </s>	0

\3-grams:
-0.0625	<s> a b

\end\
"""


def entries(text):
    """The n-grams of an ARPA text and their float32 numbers, by the simplest means."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("\\"):
            section = line
        elif "grams" in section and line:
            log_prob, words, *backoff = line.split("\t")
            found[words] = tuple(map(np.float32, [log_prob, *backoff]))
    return found


def ngrams(model):
    """Every n-gram of a model, {words: (log10 probability, log10 back-off weight, was it in the file)}."""
    inserted, words = set(model.inserted.tolist()), model.vocabulary.words
    found, level = {}, [(g, ()) for g in range(len(words))]
    while level:
        below, level = level, []
        for g, before in below:
            ngram = (*before, words[model.word[g]])
            inner = g < len(model.inner)
            pair = model.inner[g].tolist() if inner else [model.leaf[g - len(model.inner)].item(), 0.0]
            found[ngram] = (*pair, g not in inserted)
            level += [(child, ngram) for child in range(model.first[g], model.first[g + 1])] if inner else []
    return found


def assert_same(one, other):
    assert one.vocabulary.words == other.vocabulary.words
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)
