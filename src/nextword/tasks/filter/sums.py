"""The compiled loops that turn figures of tokens into figures of documents."""

from numba import njit

from nextword.text.spans import is_delimiter
from nextword.types import Array, Bytes, Float_T, Ids_T

_NEWLINE = 10


@njit(cache=True, nogil=True)
def add_up(
    ids: Ids_T, log_probs: Float_T, eos: int, unk: int, lengths: Array, lines: Array,
    nats: Array, tokens: Array, oov: Array, known: Array,
) -> None:  # fmt: skip
    """Figures of each document's tokens, ``</s>`` counted.

    lengths: (V,) bytes of each word. lines: (D,) how many ``</s>`` each document has. Written, (D,) each: nats, the
    negative log-probability; tokens; oov, those that are ``unk``; known, the bytes of all tokens but those and
    ``</s>``. Stops at the end of ``ids`` even if ``lines`` promise more.
    """
    at = 0
    for d in range(len(lines)):
        left, begin, total, unknown, size = lines[d], at, 0.0, 0, 0
        while left > 0 and at < len(ids):
            word = ids[at]
            total -= log_probs[at]
            if word == eos:
                left -= 1
            elif word == unk:
                unknown += 1
            elif 0 <= word < len(lengths):
                size += lengths[word]
            at += 1
        nats[d], tokens[d], oov[d], known[d] = total, at - begin, unknown, size


@njit(cache=True, nogil=True)
def count_spelling(text: Bytes, sizes: Array, spelling: Array) -> None:
    """Bytes of each document that belong to its tokens, being none of KenLM's delimiters: (D,) int64, written.

    sizes: (D,) bytes of each document in ``text``.
    """
    begin = 0
    for d in range(len(sizes)):
        end = min(begin + sizes[d], len(text))
        count = 0
        for byte in text[begin:end]:
            count += not is_delimiter(byte)
        spelling[d] = count
        begin = end


@njit(cache=True, nogil=True)
def measure_lines(text: Bytes, lines: Array, sizes: Array) -> None:
    """Bytes of each document, (D,) int64, written: those of its ``lines`` with their newlines."""
    i = 0
    for d in range(len(lines)):
        left, start = lines[d], i
        while left > 0 and i < len(text):
            left -= text[i] == _NEWLINE
            i += 1
        sizes[d] = i - start
