"""Small corpora as hypothesis draws them: repetitive enough that every count occurs, odd enough to break things."""

from hypothesis import strategies as st

from nextword.text.corpus import Corpus

WORDS = ("a", "b", "c", "d", "ee", "<unk>")


def sentences(
    *, most: int = 12, longest: int = 7, words: tuple[str, ...] = WORDS
) -> st.SearchStrategy[list[list[str]]]:
    """Lists of sentences, each a list of words; empty sentences among them, never an empty list."""
    return st.lists(st.lists(st.sampled_from(words), max_size=longest), min_size=1, max_size=most)


def corpus(lines: list[list[str]]) -> Corpus:
    return Corpus.from_lines([" ".join(line) for line in lines])
