"""Attachment scores as the CoNLL 2018 shared task computes them, for trees over the same words.

Every word counts, punctuation too. A label is compared up to its colon: ``nsubj:pass`` is ``nsubj``.
https://universaldependencies.org/conll18/evaluation.html
"""

from collections.abc import Sequence
from typing import NamedTuple

from nextword.errors import TextError, UsageError
from nextword.text.conllu import Sentence, check_tree
from nextword.types import Json

CONTENT = frozenset({
    "nsubj", "obj", "iobj", "csubj", "ccomp", "xcomp", "obl", "vocative", "expl", "dislocated", "advcl", "advmod",
    "discourse", "nmod", "appos", "nummod", "acl", "amod", "conj", "fixed", "flat", "compound", "list", "parataxis",
    "orphan", "goeswith", "reparandum", "root", "dep",
})  # fmt: skip  # relations of content words, whose attachment CLAS counts


class Scores(NamedTuple):
    """Words, and shares of them from 0 to 1.

    uas: with the right head (unlabelled attachment score). las: and the right label up to its colon (labelled). exact:
    and the right label whole. clas: F1 of labelled attachment over content words alone (Nivre & Fang 2017). sentences:
    all of them; trees: those with every head right.
    """

    words: int
    uas: float
    las: float
    exact: float
    clas: float
    sentences: int
    trees: int

    def to_json(self) -> Json:
        """As a JSON document."""
        return self._asdict()


def score(gold: Sequence[Sentence], parsed: Sequence[Sentence]) -> Scores:
    """Compare trees with gold trees over the same words.

    Raises UsageError for no words, or another number of sentences; TextError, naming file and line, where the words
    differ or the heads of either make no tree.

    >>> tree = Sentence.of(["I", "saw", "him"]).replaced(heads=[2, 0, 2], deprels=["nsubj", "root", "obj"])
    >>> found = tree.replaced(deprels=["nsubj:pass", "root", "iobj"])
    >>> score([tree], [found])  # doctest: +ELLIPSIS
    Scores(words=3, uas=1.0, las=0.666..., exact=0.333..., clas=0.666..., sentences=1, trees=1)
    """
    if len(gold) != len(parsed):
        raise UsageError(f"{len(parsed):,} sentences are compared with {len(gold):,}; parse the same file")
    words = heads = labelled = exact = trees = 0
    content = [0, 0, 0]  # gold, found, right
    for right, found in zip(gold, parsed, strict=True):
        _check_pair(right, found)
        hits = [a.head == b.head for a, b in zip(right.words, found.words, strict=True)]
        words, heads, trees = words + len(hits), heads + sum(hits), trees + all(hits)
        for hit, a, b in zip(hits, right.words, found.words, strict=True):
            wanted, given = universal(a.deprel), universal(b.deprel)
            labelled += hit and wanted == given
            exact += hit and a.deprel == b.deprel
            content[0] += wanted in CONTENT
            content[1] += given in CONTENT
            content[2] += hit and wanted == given and wanted in CONTENT
    if not words:
        raise UsageError("there is no sentence to score; give a file with at least one")
    clas = 2 * content[2] / max(content[0] + content[1], 1)
    return Scores(words, heads / words, labelled / words, exact / words, clas, len(gold), trees)


def universal(deprel: str) -> str:
    """A relation without what a language adds after the colon.

    >>> universal("nsubj:pass")
    'nsubj'
    """
    return deprel.partition(":")[0]


def _check_pair(gold: Sentence, parsed: Sentence) -> None:
    for sentence in (gold, parsed):
        check_tree(sentence)
    if len(gold.words) != len(parsed.words):
        counts = f"{len(parsed.words)} words, expected the {len(gold.words)} of {gold.where}"
        raise TextError(f"{parsed.where}: {counts}; parse the same sentences")
    for i, (a, b) in enumerate(zip(gold.forms, parsed.forms, strict=True)):
        if a != b:
            raise TextError(f"{parsed.line(i)}: the word is {b!r}, expected {a!r}, as in {gold.line(i)}")
