"""Reading ARPA files: header, sections, end."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextword.ngram.arpa import parsing
from nextword.ngram.arpa.closure import UnclosedError, build_model
from nextword.ngram.arpa.faults import syntax_fault, unknown_word
from nextword.ngram.arpa.lines import MAX_LINE, Lines, excerpt, opened
from nextword.ngram.arpa.section import Section, pairs
from nextword.ngram.backoff import BackoffModel
from nextword.text.vocabulary import BOS, EOS, UNK, Vocabulary
from nextword.types import Array

_MAX_ORDER = 100
_MAX_NGRAMS = 2_863_311_525  # what a BackoffModel can hold
_LOG_UNKNOWN = -100.0  # KenLM's <unk> where a file has none
_COUNT = re.compile(rb"ngram\s+(\d{1,18})\s*=\s*(\d{1,18})")


def read_arpa(path: str | Path) -> BackoffModel:
    r"""Read an ARPA file, plain or compressed by gzip or Zstandard (which its first bytes tell, not its name).

    n-grams may stand in any order, fields may be separated by spaces or tabs. Ids: ``<unk>`` 0, ``<s>`` 1, ``</s>`` 2,
    then as the file has them. ``<UNK>`` is the unknown word where there is no ``<unk>``; where there is neither,
    ``<unk>`` is added with log10 probability -100, as in KenLM. Prefixes and suffixes of n-grams that are no n-grams
    themselves are added with their back-off probability. What was added is in ``inserted``, and is not written.

    Raises ArpaError, naming file and line, for anything else than a whole and valid file.
    """
    with opened(Path(path)) as lines:
        counts = _read_counts(lines)
        order = len(counts)
        vocabulary, unigrams = _read_unigrams(lines, counts[0], top=order == 1)
        sections = [unigrams]
        for k in range(2, order + 1):
            sections.append(_read_ngrams(lines, k, counts[k - 1], vocabulary, top=k == order))
        lines.expect(b"\\end\\")
        if (line := lines.next_heading()) is not None:
            raise lines.error(rf"expected nothing after \end\, found {excerpt(line)}; remove it")
        try:
            return build_model(vocabulary, sections)
        except UnclosedError as error:
            raise lines.error(f"{error}; the file is damaged") from error


def _read_counts(lines: Lines) -> list[int]:
    """The header: n-grams of each order."""
    _skip_preamble(lines)
    counts: list[int] = []
    room = lines.capacity
    while (line := lines.peek() or b"").startswith(b"ngram"):
        lines.next_line()
        order = len(counts) + 1
        match = _COUNT.fullmatch(line)
        if match is None or int(match[1]) != order:
            raise lines.error(f"expected 'ngram {order}=' and a count, found {excerpt(line)}; orders rise from 1 on")
        if order > _MAX_ORDER:
            raise lines.error(f"the order is above {_MAX_ORDER}; give a model of a lower order")
        counts.append(int(match[2]))
        room -= counts[-1] * _shortest_line(order)
        if room < 0 or sum(counts) > _MAX_NGRAMS:
            but = "nextword holds up to 2,863,311,525" if room >= 0 else "the file is too short for them"
            raise lines.error(f"the header promises {counts[-1]:,} {order}-grams, but {but}; check the counts")
    if not counts:
        raise lines.error("no counts after \\data\\; expected 'ngram 1=' and a count: write the model again")
    return counts


def _shortest_line(order: int) -> int:
    return 2 * order + 2  # a digit, words of a byte, and what separates them


def _skip_preamble(lines: Lines) -> None:
    passed = 0
    while (line := lines.next_line()) is not None and passed <= MAX_LINE:
        if line == b"\\data\\":
            return
        passed += lines.length
    raise lines.error(r"no \data\ line so far; expected an ARPA file, which begins with one")


class _Piece(NamedTuple):
    """n-grams of ``lines.text``: their words' places, (n, order, 2), and hashes, (n, order); log10 values, (n, 2)."""

    spans: Array
    hashes: Array
    log10: Array


def _section(lines: Lines, order: int, count: int, *, top: bool) -> Iterator[_Piece]:
    r"""Pass the section ``\order-grams:``, a piece at a time, each before ``lines.number`` counts its lines."""
    lines.expect(b"\\%d-grams:" % order)
    lines.peek()  # passes blank lines
    left, status = count, parsing.DONE
    while status == parsing.DONE:
        end = lines.text.rfind(b"\n") + 1
        room = min(left, (end - lines.begin) // _shortest_line(order) + 1)
        spans, hashes = np.empty((room, order, 2), dtype=np.int32), np.empty((room, order), dtype=np.uint64)
        text, log10 = np.frombuffer(lines.text, dtype=np.uint8), pairs(room)
        status, at, n = parsing.parse(text, lines.begin, end, top, spans, hashes, log10)
        yield _Piece(spans[:n], hashes[:n], log10[:n])
        left -= n
        lines.number += n
        if status >= parsing.FULL:
            lines.number += 1
            promise = f"the header promises {count:,} {order}-grams, but here is one more; check the counts"
            raise lines.error(promise if status == parsing.FULL else syntax_fault(lines.text, status, at, order))
        lines.begin = at
        if status == parsing.DONE and not lines.fill():
            break
    if left:
        but = f"but the section ends after {count - left:,}; check the counts, or copy the file again"
        raise lines.error(f"the header promises {count:,} {order}-grams, {but}")


def _read_unigrams(lines: Lines, count: int, *, top: bool) -> tuple[Vocabulary, Section]:
    """The vocabulary and its section, once ``<unk>``, ``<s>`` and ``</s>`` have their ids; ``<unk>`` may be added."""
    found: dict[str, int] = {}  # word: its place in the file
    values = [pairs(0)]
    for piece in _section(lines, 1, count, top=top):
        for row, (begin, end) in enumerate(piece.spans[:, 0].tolist(), start=1):
            word = _decoded(lines, lines.text[begin:end], lines.number + row)
            if word in found:
                raise lines.error(f"the 1-gram {word!r} is here for the second time; keep one", lines.number + row)
            found[word] = len(found)
        values.append(piece.log10.copy())
    for special in (BOS, EOS):
        if special not in found:
            raise lines.error(f"there is no {special} among the 1-grams; estimate the model again, from sentences")
    unknown = next((word for word in (UNK, UNK.upper()) if word in found), None)
    if unknown is None:
        found[UNK] = count
        values.append(np.array([[_LOG_UNKNOWN, 0]], dtype=np.float32))
    first = [unknown or UNK, BOS, EOS]
    words = first + [word for word in found if word not in first]
    log10 = np.concatenate(values)[[found[word] for word in words]]
    added = np.zeros(len(words), dtype=bool)
    added[0] = unknown is None
    ids = np.arange(len(words), dtype=np.uint32)
    return Vocabulary.from_words(words), Section(ids[None], log10, added, ids)


def _decoded(lines: Lines, word: bytes, line: int) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        message = f"the word {excerpt(word)} is not UTF-8; convert the file, for example with iconv"
        raise lines.error(message, line) from None


def _read_ngrams(lines: Lines, order: int, count: int, vocabulary: Vocabulary, *, top: bool) -> Section:
    columns, values = [np.zeros((order, 0), dtype=np.uint32)], [pairs(0)]
    table = vocabulary.arrays()["table"]
    for piece in _section(lines, order, count, top=top):
        ids = np.empty((order, len(piece.hashes)), dtype=np.uint32)
        row, k = parsing.look_up(piece.hashes, table, ids)
        if row < len(piece.hashes):
            at = int(piece.spans[row, k, 0])
            raise lines.error(unknown_word(lines.text, at, order), lines.number + row + 1)
        columns.append(ids)
        values.append(piece.log10.copy())
    first = lines.number - count + 1  # n-grams stand on successive lines
    ids, log10 = np.concatenate(columns, axis=1), np.concatenate(values)
    section, rows = Section.sort(ids, log10, np.zeros(count, dtype=bool), len(vocabulary))
    repeats = section.repeats()
    if len(repeats):
        at = repeats[rows[repeats].argmin()]
        words = " ".join(vocabulary.word(i) for i in section.ids[:, at])
        message = f"the {order}-gram {words!r} is here for the second time, after line {first + rows[at - 1]}; keep one"
        raise lines.error(message, first + rows[at])
    return section
