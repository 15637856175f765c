"""Trees as pictures: in plain characters for a terminal, a word a line, and as SVG with arcs above the words."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from unicodedata import category, east_asian_width

from nextword.tasks.parse.projective import lifted
from nextword.text.conllu import Sentence, check_tree

_INDENT = 4
_FONT, _GAP, _LEVEL, _MARGIN = 16, 22, 34, 12  # pixels: of letters, between words, from arc to arc, around it all
_CHARACTER, _LABEL = 0.62, 11  # the width of a letter in units of its size; the size of labels


def ascii_tree(sentence: Sentence) -> str:
    """A word a line, in their order; what depends on a word is joined to it from further right.

    An arc that crosses others is drawn from the next word up that it can come from, and says its own head. Raises
    TextError, naming file and line, for heads that make no tree.

    >>> heads, deprels = [2, 0, 4, 2], ["nsubj", "root", "det", "obj"]
    >>> print(ascii_tree(Sentence.of(["I", "saw", "the", "film"]).replaced(heads=heads, deprels=deprels)))
    +-- I (nsubj)
    saw (root)
    |   +-- the (det)
    +-- film (obj)
    """
    check_tree(sentence)
    heads = [word.head or 0 for word in sentence.words]
    drawn = lifted(heads)
    depths = [_depth(drawn, word) for word in range(1, len(drawn) + 1)]
    lines = [" " * (_INDENT * depth) for depth in depths]
    for child, head in enumerate(drawn, 1):
        if head:
            at = _INDENT * depths[head - 1]
            for between in range(min(child, head), max(child, head) - 1):
                lines[between] = _put(lines[between], at, "|")
    for i, word in enumerate(sentence.words):
        if depths[i]:
            lines[i] = _put(lines[i], _INDENT * (depths[i] - 1), "+-- ")
        own = "" if drawn[i] == heads[i] else f" of {sentence.words[heads[i] - 1].form}, {heads[i]}"
        lines[i] += f"{word.form} ({word.deprel}{own})"
    return "\n".join(lines)


def svg_tree(sentence: Sentence) -> str:
    """A picture of the sentence with an arc from each head to its dependents, and the arc's label at its top.

    It takes the colour of the text around it, if a page holds it. Raises TextError, naming file and line, for heads
    that make no tree.
    """
    check_tree(sentence)
    centres, width = _places(sentence)
    heads = [word.head or 0 for word in sentence.words]
    levels = _levels(heads)
    floor = _MARGIN + _LABEL + _LEVEL * (max(levels) if levels else 0) + 4
    height = floor + 2 * _FONT + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" font-family="sans-serif" text-anchor="middle" fill="currentColor">',
        f"<title>{_text(' '.join(sentence.forms))}</title>",
    ]
    for i, word in enumerate(sentence.words):
        ends = (centres[heads[i] - 1] if heads[i] else None, centres[i])
        higher = sum(1 for j in _on_its_side(heads, i) if levels[j] > levels[i])  # those leave the head further inside
        top = floor - _LEVEL * levels[i]
        parts += _arc(*ends, offset=4.0 * (1 + higher), top=top, floor=floor, label=word.deprel)
        at = f'x="{centres[i]:.1f}" y="{floor + _FONT + 4}"'
        parts.append(f'<text {at} font-size="{_FONT}">{_text(word.form)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def page(sentences: Iterable[Sentence]) -> Iterator[str]:
    """The lines of an HTML page with the picture of every sentence."""
    style = "body { margin: 1em; color-scheme: light dark } figure { margin: 0 0 1em; overflow-x: auto }"
    yield f'<!doctype html>\n<meta charset="utf-8">\n<title>Dependency trees</title>\n<style>{style}</style>\n'
    for sentence in sentences:
        yield f"<figure>\n{svg_tree(sentence)}</figure>\n"


def _arc(head: float | None, child: float, *, offset: float, top: float, floor: float, label: str) -> list[str]:
    """An arc from a head's place to its dependent's, the arrow and the label; ROOT's comes straight from above."""
    if head is None:
        line, middle = f"M {child:.1f} {top:.1f} V {floor - 5}", child
    else:
        start = head + (offset if child > head else -offset)
        bend = min(abs(child - start) / 2, 12.0) * (1 if child > start else -1)
        line = (
            f"M {start:.1f} {floor} V {top + 12:.1f} Q {start:.1f} {top:.1f} {start + bend:.1f} {top:.1f} "
            f"H {child - bend:.1f} Q {child:.1f} {top:.1f} {child:.1f} {top + 12:.1f} V {floor - 5}"
        )
        middle = (start + child) / 2
    tip = f"M {child - 3:.1f} {floor - 6} L {child:.1f} {floor} L {child + 3:.1f} {floor - 6} Z"
    return [
        f'<path d="{line}" fill="none" stroke="currentColor" stroke-width="1"/><path d="{tip}"/>',
        f'<text x="{middle:.1f}" y="{top - 4:.1f}" font-size="{_LABEL}">{_text(label)}</text>',
    ]


def _places(sentence: Sentence) -> tuple[list[float], float]:
    """The middle of each word and the width of all, with room for the labels."""
    at, centres = float(_MARGIN), list[float]()
    for word in sentence.words:
        width = max(_columns(word.form) * _FONT, (_columns(word.deprel) + 1) * _LABEL) * _CHARACTER
        centres.append(at + width / 2)
        at += width + _GAP
    return centres, at - _GAP + _MARGIN


def _levels(heads: Sequence[int]) -> list[int]:
    """How high each word's arc is drawn: above all that lie within it; ROOT's above all."""
    arcs = [(min(word, head), max(word, head)) for word, head in enumerate(heads, 1)]
    levels = [0] * len(heads)
    for i in sorted(range(len(heads)), key=lambda i: (not heads[i], arcs[i][1] - arcs[i][0])):
        low, high = arcs[i] if heads[i] else (0, len(heads) + 1)
        levels[i] = 1 + max((levels[j] for j, (a, b) in enumerate(arcs) if a < high and low < b), default=0)
    return levels


def _on_its_side(heads: Sequence[int], i: int) -> Iterator[int]:
    """The words that depend on the head of word ``i``, from 0, on the same side of it."""
    return (j for j, head in enumerate(heads) if head == heads[i] and (j < head - 1) == (i < head - 1))


def _depth(heads: Sequence[int], word: int) -> int:
    depth = 0
    while heads[word - 1]:
        word, depth = heads[word - 1], depth + 1
    return depth


def _put(line: str, at: int, mark: str) -> str:
    return line[:at] + mark + line[at + len(mark) :]


def _columns(text: str) -> int:
    """How many places of a letter a text takes: an East Asian letter takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _text(text: str) -> str:
    """As XML has it, in which control characters cannot stand."""
    return escape("".join("�" if category(character) in ("Cc", "Cs") else character for character in text))
