"""What a model stores about text: how it is normalised and then cut into tokens."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nextword.errors import UsageError
from nextword.text.normalize import Normalizer
from nextword.text.tokenize import Tokenizer, WhitespaceTokenizer, tokenizer_from_config
from nextword.types import Json


class Prepared(NamedTuple):
    """Lines of tokens that ``Vocabulary.encode`` reads, and the bytes of the normalised text that they stand for.

    size counts newlines, that of an unended last line too: it is what bits per byte are divided by.
    """

    text: bytes
    size: int


class Pipeline:
    r"""A normaliser and a tokenizer, in that order.

    >>> from nextword.text.spelling import CharTokenizer
    >>> Pipeline(Normalizer("nfc"), CharTokenizer()).canonical("e\u0301s\n".encode()).text.decode()
    'é s\n'
    """

    def __init__(self, normalizer: Normalizer | None = None, tokenizer: Tokenizer | None = None):
        """Without arguments: text as it is, tokens between KenLM's delimiters."""
        self.normalizer = normalizer or Normalizer()
        self.tokenizer = tokenizer or WhitespaceTokenizer()

    def canonical(self, text: bytes) -> Prepared:
        """Whole lines of UTF-8 as lines of tokens, as many, with their size. Nothing is copied if nothing changes."""
        normal = self.normalizer.apply(text)
        unended = bool(normal) and not normal.endswith(b"\n")
        return Prepared(self.tokenizer.canonical(normal), len(normal) + unended)

    def tokens(self, text: str) -> list[str]:
        """The tokens of one line, given without its newline."""
        return self.tokenizer.tokens(self.normalizer.apply(text))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The normalised line that ``tokens`` spell."""
        return self.tokenizer.detokenize(tokens)

    def config(self) -> Json:
        """What ``from_config`` needs, beside ``payloads``, to be stored."""
        return {"normalizer": self.normalizer.config(), "tokenizer": self.tokenizer.config()}

    def payloads(self) -> dict[str, bytes]:
        """Files that have to be stored with ``config``, by name."""
        return self.tokenizer.payloads()

    @classmethod
    def from_config(cls, config: Json, payloads: Mapping[str, bytes]) -> "Pipeline":
        """The pipeline of a stored ``config`` and its payloads. Raises UsageError for anything else."""
        if not isinstance(config, dict) or set(config) != {"normalizer", "tokenizer"}:
            raise UsageError(f"a pipeline is stored as a normalizer and a tokenizer, not as {config}")
        normalizer = Normalizer.from_config(config["normalizer"])
        return cls(normalizer, tokenizer_from_config(config["tokenizer"], payloads))
