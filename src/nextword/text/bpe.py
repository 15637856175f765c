"""Pieces of words: byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), or any tokenizer.json.

The ``tokenizers`` library learns the pieces and splits text into them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from nextword.errors import UsageError
from nextword.text.blocks import Block
from nextword.text.normalize import Normalizer
from nextword.text.spelling import byte_alphabet
from nextword.text.tokenize import CHUNKS_KEPT, DELIMITERS, LONG_LINE, Tokenizer, one_line
from nextword.types import Json

PAYLOAD = "tokenizer.json"
PRETRAINED = "pretrained"  # the name of a tokenizer that a pretrained model brings
_PICTURES = "␀␉␊␍␠"
_VISIBLE = str.maketrans(DELIMITERS, _PICTURES)
_HIDDEN = str.maketrans(_PICTURES, DELIMITERS)
_LINES_AT_ONCE = 1000
# White space as Unicode defines it; Python's \s has U+001C to U+001F besides.
_BLANK = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# GPT-2's pattern never lets a piece go on from another character into a blank, so these chunks stand alone. A longer
# one is cut: the library takes 200 bytes of memory for each of its characters.
_MOST = 1 << 16
_CHUNK = re.compile(f"[{_BLANK}]{{0,{_MOST}}}[^{_BLANK}]{{1,{_MOST}}}|[{_BLANK}]{{1,{_MOST}}}")


class PieceTokenizer(Tokenizer):
    """Tokens are the pieces of a ``tokenizer.json``. A delimiter in a piece is shown as its picture, ``␠`` for a space.

    What the file's tokenizer does not know stays as it is written, and is not hidden behind its unknown token. That of
    a pretrained model (``PRETRAINED``) also has pieces for control, such as the end of a document: they are never found
    in a text, even where it spells one, and spell nothing.
    """

    def __init__(self, data: bytes, *, name: str = "file"):
        """data: a ``tokenizer.json``. Raises UsageError if it is none."""
        self.name, self._data = name, data
        try:
            description = json.loads(data)
            self._tokenizer = tokenizers.Tokenizer.from_str(data.decode())
        except Exception as error:  # the library raises no narrower class
            raise UsageError(f"this is no tokenizer.json that the tokenizers library can read ({error})") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._unknown = self._unknown_id(description["model"])
        pieces = {i: piece for piece, i in self._tokenizer.get_vocab().items()}
        self._written = _shown(pieces, rename=name == PRETRAINED)
        self._pieces = {shown: pieces[i] for i, shown in self._written.items()}
        added = description.get("added_tokens") or []
        self._specials = {token["content"] for token in added if token["special"]} if name == PRETRAINED else set()
        self._tokenizer.encode_special_tokens = name == PRETRAINED  # what looks like one in a text is text
        self._by_chunk = _is_byte_level(description) and len(added) == len(self._specials)
        self._marks = _marks(description)
        self._chunk = lru_cache(CHUNKS_KEPT)(self._line)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(PieceTokenizer, name=self.name), (self._data,)

    @classmethod
    def from_file(cls, path: Path) -> "PieceTokenizer":
        """The tokenizer in a ``tokenizer.json`` file. Raises UsageError if it is none, or cannot be read."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror}); check the file and its rights") from error
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    def canonical(self, text: bytes) -> bytes:
        """The same lines with a space between pieces."""
        lines = text.decode().split("\n")
        return "\n".join(map(self._chunked, lines) if self._by_chunk else self._batches(lines)).encode()

    def tokens(self, text: str) -> list[str]:
        """The pieces of one line."""
        spaced = self._chunked if self._by_chunk else self._line
        return [piece for piece in spaced(one_line(text)).split(" ") if piece]

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The line that the pieces spell: for byte-level pieces exactly the one that they came from."""
        raw = [self._pieces.get(token) or token.translate(_HIDDEN) for token in tokens]
        pieces = [piece for piece in raw if piece not in self._specials]
        decoder = self._tokenizer.decoder
        return decoder.decode(pieces) if decoder is not None else " ".join(pieces)

    def begins_word(self, token: str) -> bool:
        """Whether the piece begins with a blank, or is one for control. Raises UsageError if blanks leave no mark."""
        if self._marks is None:
            raise UsageError("the pieces of this tokenizer do not tell where a word begins; score tokens, not words")
        piece = self._pieces.get(token) or token.translate(_HIDDEN)
        return piece in self._specials or self._marks.match(piece) is not None

    @property
    def words(self) -> dict[int, str]:
        """How each piece is written, by its id in the ``tokenizer.json``."""
        return self._written

    def id(self, piece: str) -> int | None:
        """Id of a piece as the ``tokenizer.json`` has it, or None."""
        found: int | None = self._tokenizer.token_to_id(piece)
        return found

    @property
    def unknown(self) -> int | None:
        """Id of the token that stands for what the tokenizer does not know, if it has one."""
        return self._unknown

    def config(self) -> Json:
        """Its name; the pieces are a payload."""
        return {"name": self.name}

    def payloads(self) -> dict[str, bytes]:
        """The ``tokenizer.json``, byte for byte."""
        return {PAYLOAD: self._data}

    def _unknown_id(self, model: Json) -> int | None:
        name, found = model.get("unk_token"), model.get("unk_id")
        return self._tokenizer.token_to_id(name) if isinstance(name, str) else found

    def _batches(self, lines: Sequence[str]) -> Iterator[str]:
        for start in range(0, len(lines), _LINES_AT_ONCE):
            some = lines[start : start + _LINES_AT_ONCE]
            for line, encoding in zip(some, self._tokenizer.encode_batch(some, add_special_tokens=False), strict=True):
                yield self._write(line, encoding)

    def _chunked(self, line: str) -> str:
        """``_line`` for byte-level pieces, several times faster: a frequent chunk is taken apart once."""
        split = self._chunk if len(line) < LONG_LINE else self._line
        return " ".join(map(split, _CHUNK.findall(line)))

    def _line(self, line: str) -> str:
        return self._write(line, self._tokenizer.encode(line, add_special_tokens=False))

    def _write(self, line: str, encoding: tokenizers.Encoding) -> str:
        """The pieces of ``line`` with single spaces between them."""
        if self._unknown not in encoding.ids:
            return " ".join([self._written[i] for i in encoding.ids])
        surfaces = [line[start:end].translate(_VISIBLE) for start, end in encoding.offsets]
        pairs = zip(encoding.ids, surfaces, strict=True)
        return " ".join([(i == self._unknown and surface) or self._written[i] for i, surface in pairs])


def train_bpe(
    corpus: Iterable[Block], *, vocab_size: int = 8000, normalizer: Normalizer | None = None
) -> PieceTokenizer:
    """A byte-level BPE tokenizer of at most ``vocab_size`` pieces, learnt from ``corpus`` as ``normalizer`` leaves it.

    The 256 bytes are pieces, so that no text is out of vocabulary. Raises UsageError for fewer.
    """
    if vocab_size < 256:
        raise UsageError(f"a byte-level BPE vocabulary holds the 256 bytes at least; vocab_size is {vocab_size}")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_lines(corpus, normalizer or Normalizer()), trainer)
    return PieceTokenizer(tokenizer.to_str().encode(), name="bpe")


def _lines(corpus: Iterable[Block], normalizer: Normalizer) -> Iterator[str]:
    for block in corpus:
        yield from normalizer.apply(block.text).decode().split("\n")


def _is_byte_level(description: Json) -> bool:
    """Whether this ``tokenizer.json`` is GPT-2's kind and nothing else, whose pieces stay within chunks."""
    before = description.get("pre_tokenizer") or {}
    expected = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    return {key: before.get(key) for key in expected} == expected and description.get("normalizer") is None


def _shown(pieces: dict[int, str], *, rename: bool) -> dict[int, str]:
    """How pieces are written between spaces. Two that would look the same are an error, or get their ids as well."""
    shown = {i: piece.translate(_VISIBLE) for i, piece in pieces.items()}
    taken = Counter(shown.values())
    if len(taken) < len(shown) and not rename:
        raise UsageError("two pieces of this tokenizer.json differ only in how a space is shown; take another")
    return {i: name if taken[name] == 1 or name == pieces[i] else f"{name}<{i}>" for i, name in shown.items()}


def _marks(description: Json) -> re.Pattern[str] | None:
    """What matches a piece that begins a word, or None if pieces do not tell."""
    model = description["model"]
    around = json.dumps([description.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")])
    if model["type"] == "WordPiece":
        return re.compile("(?!" + re.escape(model["continuing_subword_prefix"]) + ")")
    if '"ByteLevel"' in around:
        return re.compile("[" + "".join(byte_alphabet()[ord(blank)] for blank in DELIMITERS) + "]")
    if "\\u2581" in around or model["type"] == "Unigram":
        return re.compile(f"[\u2581{DELIMITERS}]|<0x(?:00|09|0A|0D|20)>")
    return re.compile("") if model["type"] == "WordLevel" else None
