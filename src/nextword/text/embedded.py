"""A corpus that every CPython carries: the English prose of ``pydoc_data.topics``, some 43,000 words.

Nothing is copied here; it is read from the interpreter, so it differs a little from version to version.
"""

import random
import re
from collections.abc import Iterator

from nextword.errors import TextError

_SENTENCE_END = re.compile(r"(?<=[.!?:])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)([\"')]*(?: \[\d+\])*)\s+(?=[\"'(*]?[A-Z])")
_NOT_PROSE = re.compile(
    r"::=|>>>|\s# |^\s*[-+|*=]{3,}|^\s*(def|class|import|from|for|if|try|with|print|return)\b.*[:)]$"
)
_BROKEN = re.compile(r"(?<=\w)- (?=[a-z])(?!and |or )")  # a hyphen at a line's end
_MARK = re.compile(r"^(\*|\d+\.|\[\d+\]) ")  # of a list's item, or of a footnote
_SENTENCE = re.compile(r"[a-z].*[.!?:][\"')]*( \[\d+\])*$")


def embedded_sentences(*, seed: int = 0) -> list[str]:
    """Sentences of the corpus, one a string, paragraphs whole but in an order drawn from ``seed``.

    The topics are hard-wrapped reStructuredText: paragraphs are joined, code, grammar and tables left out, and what
    occurs under several topics is taken once, so that no test sentence is a training sentence. Shuffled paragraphs
    make any cut of the list a fair sample of it. Raises TextError for a Python that comes without the topics.
    """
    paragraphs = list(dict.fromkeys(_paragraphs()))
    random.Random(seed).shuffle(paragraphs)
    sentences = (sentence for paragraph in paragraphs for sentence in _SENTENCE_END.sub(r"\1\n", paragraph).split("\n"))
    return [sentence for sentence in dict.fromkeys(sentences) if " " in sentence]


def _paragraphs() -> Iterator[str]:
    try:
        from pydoc_data.topics import topics  # 700 KB, read only when asked for
    except ImportError as error:
        raise TextError("this Python comes without pydoc_data.topics; name a text of your own instead") from error
    for topic in sorted(topics):
        for lines in re.split(r"\n\s*\n", topics[topic]):
            joined = _MARK.sub("", _BROKEN.sub("-", " ".join(lines.split())))
            if not any(_NOT_PROSE.search(line) for line in lines.splitlines()) and _SENTENCE.search(joined):
                yield joined
