"""Trees as hypothesis draws them, and as a person writes them."""

from hypothesis import strategies as st

from nextword.text.conllu import Sentence


def sentence(text: str) -> Sentence:
    """A sentence of ``form/head/label`` words: ``I/2/subj saw/0/root him/2/obj``; a tag may stand last."""
    rows = [word.split("/") for word in text.split()]
    found = Sentence.of([row[0] for row in rows])
    tagged = found.replaced(upos=[row[3] for row in rows]) if len(rows[0]) > 3 else found
    return tagged.replaced(heads=[int(row[1]) for row in rows], deprels=[row[2] for row in rows])


SAW = sentence("I/2/subj saw/0/root him/2/obj")


@st.composite
def trees(draw: st.DrawFn, *, most: int = 9) -> list[int]:
    """Heads of any tree with one root, projective or not: each word depends on one before it in some order."""
    size = draw(st.integers(1, most))
    order = draw(st.permutations(range(1, size + 1)))
    heads = [0] * size
    for i, word in enumerate(order[1:], 1):
        heads[word - 1] = order[draw(st.integers(0, i - 1))]
    return heads


@st.composite
def projective_trees(draw: st.DrawFn, *, most: int = 12) -> list[int]:
    """Heads of a tree without crossing arcs: a head divides a span, each part has heads of its own, and so on."""
    size = draw(st.integers(1, most))
    heads = [0] * size

    def grow(first: int, last: int, head: int, one: bool) -> None:
        """Give the words of a span heads among themselves, the outermost ones that of ``head``."""
        while first <= last:
            end = last if one else draw(st.integers(first, last))
            root = draw(st.integers(first, end))
            heads[root - 1] = head
            grow(first, root - 1, root, False)
            grow(root + 1, end, root, False)
            first = end + 1

    grow(1, size, 0, True)
    return heads


def crosses(heads: list[int]) -> bool:
    """Whether two arcs cross, ROOT's among them, which is drawn from before the first word: pair by pair."""
    arcs = [tuple(sorted((word, head))) for word, head in enumerate(heads, 1)]
    return any(a < c < b < d for a, b in arcs for c, d in arcs)
