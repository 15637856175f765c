r"""ARPA files, the text format in which n-gram toolkits exchange models (Doug Paul, MIT Lincoln Laboratory).

After ``\data\`` and the number of n-grams of each order come the sections ``\1-grams:``, ``\2-grams:``, …, ``\end\``.
A line holds a log10 probability, the words and, below the highest order, a log10 back-off weight, which may be missing
where it is 0. -99 or less stands for log 0. Words end at KenLM's delimiters: NUL, tab, newline, carriage return, space.
"""

import gzip
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from nextword.durable import sync_directory, temporary
from nextword.errors import ArpaError, StoreError
from nextword.ngram import arpa_kernels as kernels
from nextword.ngram.backoff import BackoffModel
from nextword.text.decompress import DamagedError, decompress
from nextword.text.encode import fill_table
from nextword.text.vocabulary import BOS, EOS, UNK, Vocabulary
from nextword.types import Array

_CHUNK = 4 << 20  # bytes read or written at a time
_MAX_LINE = kernels.MAX_LINE  # bytes; the same goes for what precedes \data\ and for blank lines on end
_MAX_ORDER = 100
_MAX_NGRAMS = 2_863_311_525  # what a BackoffModel can hold
_LONG_LINE = "the line is longer than 1 MiB; expected an n-gram or a heading: write the model again"
_LOG_UNKNOWN = -100.0  # KenLM's <unk> where a file has none
_EXPANSION = 100  # bytes of text that a compressed byte may stand for; n-grams come to 3 or 4
_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_KENLM = b"mmap lm http://kheafield.com/code"
_DATA, _END = b"\\data\\", b"\\end\\"
_COUNT = re.compile(rb"ngram\s+(\d{1,18})\s*=\s*(\d{1,18})")
_FIELD = re.compile(rb"[^\0\t\n\r ]+")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def read_arpa(path: str | Path) -> BackoffModel:
    r"""Read an ARPA file, plain or compressed by gzip or Zstandard (which its first bytes tell, not its name).

    n-grams may stand in any order, fields may be separated by spaces or tabs. Ids: ``<unk>`` 0, ``<s>`` 1, ``</s>`` 2,
    then as the file has them. ``<UNK>`` is the unknown word where there is no ``<unk>``; where there is neither,
    ``<unk>`` is added with log10 probability -100, as in KenLM. Prefixes and suffixes of n-grams that are no n-grams
    themselves are added with their back-off probability. What was added is in ``inserted``, and is not written.

    Raises ArpaError, naming file and line, for anything else than a whole and valid file.
    """
    with _opened(Path(path)) as lines:
        counts = _read_counts(lines)
        order = len(counts)
        vocabulary, unigrams = _read_unigrams(lines, counts[0], top=order == 1)
        sections = [unigrams]
        for k in range(2, order + 1):
            sections.append(_read_ngrams(lines, k, counts[k - 1], vocabulary, top=k == order))
        lines.expect(_END)
        if (line := lines.next_heading()) is not None:
            raise lines.error(rf"expected nothing after \end\, found {_excerpt(line)}; remove it")
        return _model(lines, vocabulary, sections)


def write_arpa(model: BackoffModel, path: str | Path) -> None:
    """Write an ARPA file, by its suffix compressed by gzip (``.gz``) or Zstandard (``.zst``), whole or not at all.

    Numbers are the shortest decimals that read back as the same float32; n-grams that ``read_arpa`` added are left out.

    Raises ArpaError if the model has a word or a number that the format cannot hold, and StoreError, which is an
    OSError, if the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise StoreError(f"{path}: cannot be written: it is there and not a regular file; give another name")
    try:
        with temporary(path.parent) as file:
            with file.open("xb") as raw:
                with _compressing(raw, path.suffix) as stream:
                    for block in _blocks(model, path):
                        stream.write(block)
                raw.flush()
                os.fsync(raw.fileno())
            file.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _compressing(raw: IO[bytes], suffix: str) -> Iterator[Any]:
    """A stream that writes to ``raw``. The fastest levels: the n-grams' own order has most of what there is to gain."""
    if suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as stream:
            yield stream
    elif suffix == ".zst":
        import zstandard

        with zstandard.ZstdCompressor(level=1).stream_writer(raw, closefd=False) as stream:
            yield stream
    else:
        yield raw


def _blocks(model: BackoffModel, path: Path) -> Iterator[bytes | memoryview]:
    """The file's text in pieces, each of which is overwritten by the next."""
    words = model.vocabulary.arrays()
    blob, offsets = words["words"], words["offsets"]
    if (wrong := int(kernels.unwritable_word(blob, offsets))) >= 0:
        raise ArpaError(
            f"{path}: not written: an ARPA file cannot hold the word {model.vocabulary.word(wrong)!r}, "
            "only words of valid UTF-8 without spaces; train with a tokenizer that makes no others"
        )
    counts = enumerate(model.counts(), start=1)
    yield (_DATA + b"\n" + b"".join(b"ngram %d=%d\n" % count for count in counts)) + b"\n"
    longest = 2 * kernels.NUMBER_ROOM + model.order * (1 + int(model.vocabulary.byte_lengths.max()))
    out = np.empty(max(_CHUNK, longest), dtype=np.uint8)
    trie = (blob, offsets, model.word, model.first, model.inner, model.leaf, model.inserted)
    for order in range(1, model.order + 1):
        yield b"\\%d-grams:\n" % order
        begin, end = model.starts[order : order + 2]
        cursor = np.array([*model.starts[1 : order + 1], begin, np.searchsorted(model.inserted, begin)], dtype=np.int64)
        status = kernels.FULL
        while status == kernels.FULL:
            status, n = kernels.put_ngrams(order, end, cursor, *trie, out)
            yield out[:n].data
        if status != kernels.DONE:
            what = "a word" if status == kernels.BAD_INDEX else "a number"
            raise ArpaError(f"{path}: not written: {what} of {order}-gram {cursor[order] - begin} is out of range")
        yield b"\n"
    yield _END + b"\n"


class _Lines:
    """The lines of a file, read through a buffer of bounded size; ``number`` of them are behind us."""

    def __init__(self, path: Path, chunks: Iterator[bytes], capacity: int):
        self.path, self.capacity = path, capacity  # capacity: the most bytes of text that the file may hold
        self._passed = 0
        self.number = self.begin = self.end = self.length = 0  # length: bytes of the last line
        self._chunks = filter(None, chunks)
        self._buffer = bytearray(_MAX_LINE + _CHUNK + 1)
        self.text = np.frombuffer(self._buffer, dtype=np.uint8)

    def error(self, message: str, line: int | None = None) -> ArpaError:
        """What is wrong with the last line read, or another."""
        return ArpaError(f"{self.path}:{line or max(self.number, 1)}: {message}")

    def fill(self) -> bool:
        """Read on, and end the last line if it has no newline; False if there is nothing left."""
        rest = self._buffer[self.begin : self.end]
        self.begin = 0
        if len(rest) > _MAX_LINE:
            raise self.error(_LONG_LINE, self.number + 1)
        try:
            chunk = next(self._chunks, b"")
        except DamagedError as error:
            raise self.error(str(error)) from error
        self._passed += len(chunk)
        if self._passed > self.capacity:
            raise self.error(
                f"more than {self.capacity:,} bytes of text in a small file; if you trust it, decompress it"
            )
        rest += chunk or (b"\n" if rest else b"")
        self.end = len(rest)
        self._buffer[: self.end] = rest
        return self.end > 0

    def next_line(self) -> bytes | None:
        """The next line without blanks around it; None at the end."""
        while (stop := self._buffer.find(b"\n", self.begin, self.end)) < 0:
            if not self.fill():
                return None
        line = self._buffer[self.begin : stop]
        self.begin, self.length = stop + 1, stop + 1 - self.begin
        self.number += 1
        if self.length > _MAX_LINE:
            raise self.error(_LONG_LINE)
        return bytes(line.strip(b"\0\t\r "))

    def next_heading(self) -> bytes | None:
        """The next line that is not blank; None at the end."""
        passed = 0
        while passed <= _MAX_LINE:
            line = self.next_line()
            if line != b"":
                return line
            passed += self.length
        raise self.error("more than 1 MiB of blank lines; remove them")

    def peek(self) -> bytes | None:
        """The next line that is not blank, which is still to come; None at the end."""
        line = self.next_heading()
        if line is not None:
            self.begin, self.number = self.begin - self.length, self.number - 1
        return line

    def expect(self, heading: bytes) -> None:
        """Pass ``heading``."""
        found = self.next_heading()
        if found is None:
            raise self.error(f"the file ends before {heading.decode()}; it is cut short: copy it again")
        if found != heading:
            remedy = "the header's orders come in their order, then \\end\\"
            raise self.error(f"expected {heading.decode()}, found {_excerpt(found)}; {remedy}")

    def rest(self, at: int) -> bytes:
        """The line from ``at`` on."""
        return bytes(self._buffer[at : self._buffer.find(b"\n", at, self.end)])

    def line_of(self, at: int) -> bytes:
        """The line around ``at``."""
        return self.rest(self._buffer.rfind(b"\n", 0, at) + 1)


@contextmanager
def _opened(path: Path) -> Iterator[_Lines]:
    """The decompressed lines of a file that may be an ARPA file."""
    if path.is_dir():
        model = (path / "config.json").exists()
        what = "a saved model, which nextword.load opens" if model else "a directory; name the ARPA file in it"
        raise ArpaError(f"{path}: this is {what}")
    if not path.exists():
        raise ArpaError(f"{path}: there is no such file; check the path")
    try:
        with path.open("rb") as file:
            head = file.read(_CHUNK)
            if not head:
                raise ArpaError(f"{path}:1: the file is empty; expected an ARPA file")
            if head.startswith(_KENLM):
                raise ArpaError(f"{path}:1: this is a KenLM binary; give the ARPA file that it was built from")
            suffix = next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), "")
            chunks = chain([head], iter(lambda: file.read(_CHUNK), b""))
            status = os.fstat(file.fileno())
            capacity = status.st_size * _EXPANSION + _MAX_LINE if suffix else status.st_size + 1
            if not stat.S_ISREG(status.st_mode):
                capacity = sys.maxsize
            yield _Lines(path, decompress(chunks, suffix, _CHUNK) if suffix else chunks, capacity)
    except OSError as error:
        raise ArpaError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_counts(lines: _Lines) -> list[int]:
    """The header: n-grams of each order."""
    _skip_preamble(lines)
    counts: list[int] = []
    room = lines.capacity
    while (line := lines.peek() or b"").startswith(b"ngram"):
        lines.next_line()
        order = len(counts) + 1
        match = _COUNT.fullmatch(line)
        if match is None or int(match[1]) != order:
            raise lines.error(f"expected 'ngram {order}=' and a count, found {_excerpt(line)}; orders rise from 1 on")
        if order > _MAX_ORDER:
            raise lines.error(f"the order is above {_MAX_ORDER}; give a model of a lower order")
        counts.append(int(match[2]))
        room -= counts[-1] * (2 * order + 2)  # the shortest line: a digit, words of a byte, and what separates them
        if room < 0 or sum(counts) > _MAX_NGRAMS:
            but = "nextword holds up to 2,863,311,525" if room >= 0 else "the file is too short for them"
            raise lines.error(f"the header promises {counts[-1]:,} {order}-grams, but {but}; check the counts")
    if not counts:
        raise lines.error("no counts after \\data\\; expected 'ngram 1=' and a count: write the model again")
    return counts


def _skip_preamble(lines: _Lines) -> None:
    passed = 0
    while (line := lines.next_line()) is not None and passed <= _MAX_LINE:
        if line.removeprefix(b"\xef\xbb\xbf") == _DATA:
            return
        passed += lines.length
    raise lines.error(r"no \data\ line so far; expected an ARPA file, which begins with one")


def _read_section(lines: _Lines, order: int, count: int, parse: Callable[[int], tuple[int, int, int]]) -> int:
    r"""Pass the section ``\order-grams:``; returns the number of its first n-gram's line.

    parse: reads on in the buffer, at most so many n-grams; returns (status, position, n-grams read).
    """
    lines.expect(b"\\%d-grams:" % order)
    lines.peek()  # passes blank lines
    first, left, status = lines.number + 1, count, kernels.DONE
    while status == kernels.DONE:
        status, at, n = parse(min(left, (lines.end - lines.begin) // (2 * order + 2) + 1))
        left -= n
        lines.number += n
        if status == kernels.FULL:
            lines.number += 1
            raise lines.error(f"the header promises {count:,} {order}-grams, but here is one more; check the counts")
        if status > kernels.FULL:
            lines.number += 1
            raise lines.error(_fault(lines, status, at, order))
        lines.begin = at
        if status == kernels.DONE and not lines.fill():
            break
    if left:
        but = f"but the section ends after {count - left:,}; check the counts, or copy the file again"
        raise lines.error(f"the header promises {count:,} {order}-grams, {but}")
    return first


def _fault(lines: _Lines, status: int, at: int, order: int) -> str:
    """What is wrong with the field at ``at``."""
    rest, words = _FIELD.findall(lines.rest(at)), _FIELD.findall(lines.line_of(at))[1:]
    field = _excerpt(rest[0] if rest else b"")
    plural = f"{order} word" + "s" * (order > 1)
    too_few = f"expected {plural} after the probability, found {{}}; is the line in the wrong section?"
    if status == kernels.UNKNOWN_WORD and len(rest) == 1 and len(words) == order and _NUMBER.fullmatch(rest[0]):
        return too_few.format(order - 1)
    return {
        kernels.BAD_PROBABILITY: f"{field} is no log10 probability; expected a number up to 0, -99 for log 0",
        kernels.POSITIVE_PROBABILITY: f"the log10 probability {field} is above 0; expected 0 at most: write 0, or "
        "estimate the model again",
        kernels.TOO_FEW_WORDS: too_few.format(len(words)),
        kernels.UNKNOWN_WORD: f"the word {field} is not among the 1-grams; add it there, or remove this line",
        kernels.BAD_UTF8: f"the word {field} is not UTF-8; convert the file, for example with iconv",
        kernels.BAD_BACKOFF: f"expected a finite back-off weight or the line's end after {plural}, found {field}; "
        "correct the line",
        kernels.INFINITE_BACKOFF: f"the log10 back-off weight {field} is infinite; expected a number below 99",
        kernels.TOP_BACKOFF: f"the back-off weight {field} in the highest order, which has none; "
        "is an order missing from the header?",
        kernels.LONG_LINE: _LONG_LINE,
        kernels.TRAILING_FIELD: f"expected the line's end after the back-off weight, found {field}; remove it",
    }[status]


def _excerpt(found: bytes) -> str:
    """``found`` in quotes, shortened, and printable."""
    text = found[:200].decode(errors="backslashreplace")
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text[:40])
    return f"'{shown}…'" if len(text) > 40 else f"'{shown}'"


@dataclass
class _Section:
    """n-grams of one order k, sorted by ids. ids: (k, N) uint32; log10: (N, 2) float32.

    added: (N,) bool, what the file lacks; by_suffix: (N,) uint32, the columns sorted by all words but the first.
    """

    ids: Array
    log10: Array
    added: Array
    by_suffix: Array

    @classmethod
    def sort(cls, ids: Array, log10: Array, added: Array, vocabulary_size: int) -> tuple["_Section", Array]:
        """The n-grams in order, and the place where each stood, (N,); ids, log10 and added as given."""
        ids, rows = np.ascontiguousarray(ids), np.arange(len(log10), dtype=np.uint32)
        for column in ids[:0:-1]:
            rows = _sort_rows(column, rows, vocabulary_size)
        by_suffix, rows = rows, _sort_rows(ids[0], rows, vocabulary_size)
        place = np.empty_like(rows)
        place[rows] = np.arange(len(rows), dtype=np.uint32)
        section = cls(np.take(ids, rows, axis=1), log10[rows], added[rows], place[by_suffix])
        return section, rows

    def repeats(self) -> Array:
        """Columns that equal the one before."""
        return np.flatnonzero((self.ids[:, 1:] == self.ids[:, :-1]).all(axis=0)) + 1

    def with_more(self, ids: Array, vocabulary_size: int) -> "_Section":
        """Itself and n-grams that it lacks, with zeros; (k, M) ids, repeats allowed."""
        more, _ = _Section.sort(ids, _pairs(ids.shape[1]), np.ones(ids.shape[1], dtype=bool), vocabulary_size)
        once = np.delete(more.ids, more.repeats(), axis=1)
        ids = np.concatenate([self.ids, once], axis=1)
        log10 = np.concatenate([self.log10, _pairs(once.shape[1])])
        added = np.concatenate([self.added, np.ones(once.shape[1], dtype=bool)])
        return _Section.sort(ids, log10, added, vocabulary_size)[0]


def _sort_rows(column: Array, rows: Array, vocabulary_size: int) -> Array:
    if len(rows) * 16 < vocabulary_size:  # a counting sort would mostly count words that are not there
        return rows[np.argsort(column[rows], kind="stable")]
    return np.asarray(kernels.sort_rows(column, rows, vocabulary_size))


def _pairs(n: int) -> Array:
    """Room for n pairs of numbers, zeros."""
    return np.zeros((n, 2), dtype=np.float32)


def _read_unigrams(lines: _Lines, count: int, *, top: bool) -> tuple[Vocabulary, _Section]:
    blobs, lengths, pairs = [np.zeros(0, dtype=np.uint8)], [np.zeros(1, dtype=np.int64)], [_pairs(0)]

    def parse(room: int) -> tuple[int, int, int]:
        blob, offsets = np.empty(lines.end - lines.begin, dtype=np.uint8), np.zeros(room + 1, dtype=np.int64)
        log10 = _pairs(room)
        status, at, n = kernels.parse_unigrams(lines.text, lines.begin, lines.end, top, blob, offsets, log10)
        blobs.append(blob[: offsets[n]].copy())
        lengths.append(np.diff(offsets[: n + 1]))
        pairs.append(log10[:n].copy())
        return status, at, n

    first = _read_section(lines, 1, count, parse)
    blob, offsets, log10 = np.concatenate(blobs), np.cumsum(np.concatenate(lengths)), np.concatenate(pairs)
    table = np.zeros((2 * len(offsets) + 8, 2), dtype=np.uint64)
    double = int(fill_table(blob, offsets, table))
    words = Vocabulary(blob, offsets, table, unk=None, bos=None, eos=None)
    if double >= 0:
        raise lines.error(f"the 1-gram {words.word(double)!r} is here for the second time; keep one", first + double)
    for special in (BOS, EOS):
        if special not in words:
            raise lines.error(f"there is no {special} among the 1-grams; estimate the model again, from sentences")
    return _with_specials_first(words, log10)


def _with_specials_first(words: Vocabulary, log10: Array) -> tuple[Vocabulary, _Section]:
    """The vocabulary and its section, once ``<unk>``, ``<s>`` and ``</s>`` have their ids; ``<unk>`` may be added."""
    spellings = [word for word in (UNK, UNK.upper()) if word in words]
    blob, offsets = words.arrays()["words"], words.arrays()["offsets"]
    added = np.zeros(len(words) + (not spellings), dtype=bool)
    if not spellings:
        blob = np.append(blob, np.frombuffer(UNK.encode(), dtype=np.uint8))
        offsets = np.append(offsets, len(blob))
        log10 = np.append(log10, np.array([[_LOG_UNKNOWN, 0]], dtype=np.float32), axis=0)
    first = [words[spellings[0]] if spellings else len(words), words[BOS], words[EOS]]
    rows = np.concatenate([first, np.delete(np.arange(len(added)), first)])
    added[0] = not spellings
    lengths = np.diff(offsets)[rows]
    ends = np.cumsum(lengths)
    where = np.repeat(offsets[rows] - ends + lengths, lengths) + np.arange(len(blob))
    vocabulary = Vocabulary.from_bytes(blob[where], np.concatenate([[0], ends]))
    ids = np.arange(len(added), dtype=np.uint32)
    return vocabulary, _Section(ids[None], log10[rows], added, ids)


def _read_ngrams(lines: _Lines, order: int, count: int, vocabulary: Vocabulary, *, top: bool) -> _Section:
    columns, pairs = [np.zeros((order, 0), dtype=np.uint32)], [_pairs(0)]
    table, size = vocabulary.arrays()["table"], len(vocabulary)

    def parse(room: int) -> tuple[int, int, int]:
        ids, log10 = np.empty((order, room), dtype=np.uint32), _pairs(room)
        status, at, n = kernels.parse_ngrams(lines.text, lines.begin, lines.end, top, table, size, ids, log10)
        columns.append(ids[:, :n].copy())
        pairs.append(log10[:n].copy())
        return status, at, n

    first = _read_section(lines, order, count, parse)
    section, rows = _Section.sort(
        np.concatenate(columns, axis=1), np.concatenate(pairs), np.zeros(count, dtype=bool), size
    )
    repeats = section.repeats()
    if len(repeats):
        at = repeats[rows[repeats].argmin()]
        words = " ".join(vocabulary.word(i) for i in section.ids[:, at])
        message = f"the {order}-gram {words!r} is here for the second time, after line {first + rows[at - 1]}; keep one"
        raise lines.error(message, first + rows[at])
    return section


def _model(lines: _Lines, vocabulary: Vocabulary, sections: list[_Section]) -> BackoffModel:
    """The model of all sections, once they are closed: each n-gram's prefix and suffix is an n-gram too."""
    order, size, listed = len(sections), len(vocabulary), sum(len(section.added) for section in sections)
    parents: list[Array] = []
    suffixes: list[Array] = []
    for k in range(order - 1, 0, -1):
        parent, suffix = _links(sections[k - 1], sections[k])
        missing = [sections[k].ids[:-1, parent == kernels.NONE], sections[k].ids[1:, suffix == kernels.NONE]]
        if missing[0].size or missing[1].size:
            sections[k - 1] = sections[k - 1].with_more(np.concatenate(missing, axis=1), size)
            if sum(section.added.sum() for section in sections) > 8 * listed + 10_000:
                raise lines.error(
                    f"most {k + 1}-grams lack a prefix or suffix among the {k}-grams; the file is damaged"
                )
            parent, suffix = _links(sections[k - 1], sections[k])
        parents.insert(0, parent)
        suffixes.insert(0, suffix)
    for k in range(1, order):
        lower, upper, added = sections[k - 1].log10, sections[k].log10, sections[k].added
        upper[added, 0] = lower[parents[k - 1][added], 1] + lower[suffixes[k - 1][added], 0]
    return _trie(vocabulary, sections, parents)


def _links(lower: _Section, upper: _Section) -> tuple[Array, Array]:
    """The prefix and the suffix of each n-gram of ``upper`` in ``lower``, (N,) each."""
    in_order = np.arange(len(upper.added), dtype=np.uint32)
    return kernels.link(lower.ids, upper.ids, in_order, 0), kernels.link(lower.ids, upper.ids, upper.by_suffix, 1)


def _trie(vocabulary: Vocabulary, sections: list[_Section], parents: list[Array]) -> BackoffModel:
    sizes = [len(section.added) for section in sections]
    children = [np.bincount(parent, minlength=n) for parent, n in zip(parents, sizes, strict=False)]
    return BackoffModel.from_trie(
        vocabulary,
        len(sections),
        starts=np.cumsum([0, 0, *sizes], dtype=np.int64),
        word=np.concatenate([section.ids[-1] for section in sections]),
        first=np.cumsum(np.concatenate([[sizes[0]], *children]), dtype=np.uint32),
        inner=np.concatenate([_pairs(0), *(section.log10 for section in sections[:-1])]),
        leaf=sections[-1].log10[:, 0].copy(),
        inserted=np.flatnonzero(np.concatenate([section.added for section in sections])).astype(np.uint32),
    )
