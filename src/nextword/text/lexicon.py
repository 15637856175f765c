"""Vocabularies of what is already cut into tokens: words of a treebank, characters of words, target sentences."""

from collections import Counter
from collections.abc import Iterable

from nextword.text.vocabulary import SPECIALS, Vocabulary


def lexicon(tokens: Iterable[str], *, min_count: int = 1, size: int | None = None) -> Vocabulary:
    """The vocabulary of tokens: ``<unk>``, ``<s>`` and ``</s>``, then by falling frequency, ties by bytes.

    min_count: rarer ones are left out; size: so many are kept, the specials among them. Tokens may hold spaces.

    >>> lexicon(["a", "rose", "is", "a", "rose"], min_count=2).words
    ['<unk>', '<s>', '</s>', 'a', 'rose']
    """
    counts = Counter(tokens)
    known = (token for token, count in counts.items() if count >= min_count and token not in SPECIALS)
    ordered = sorted(known, key=lambda token: (-counts[token], token.encode()))
    return Vocabulary.from_words([*SPECIALS, *(ordered if size is None else ordered[: max(0, size - len(SPECIALS))])])
