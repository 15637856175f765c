"""Unicode normalisation and lower case, as an option that a model stores and applies to all text that it reads."""

import unicodedata
from typing import Any, Literal, TypeVar, get_args

from nextword.errors import TextError, UsageError
from nextword.text.ccnet import normalize, normalize_ascii
from nextword.types import Json

Form = Literal["nfc", "nfd", "nfkc", "nfkd", "ccnet"]
Text = TypeVar("Text", str, bytes)


class Normalizer:
    """Text in one of Unicode's normalisation forms (Unicode Standard Annex 15), in lower case if asked; or as it is.

    It never adds or removes a newline, and to apply it twice is to apply it once. The form "ccnet" is that of cc_net,
    see ``nextword.text.ccnet``; it may leave blanks at a line's ends, which a second time strips.

    >>> Normalizer("nfc", lowercase=True).apply("Ame\u0301lie")
    'amélie'
    """

    def __init__(self, form: Form | None = None, *, lowercase: bool = False):
        """Raises UsageError for a form that is none of these."""
        if form is not None and form not in get_args(Form):
            raise UsageError(f"unknown normalisation form {form!r}; expected {', '.join(get_args(Form))} or none")
        self.form, self.lowercase = form, lowercase

    def apply(self, text: Text) -> Text:
        """``text`` normalised; the same object if there is nothing to do. Bytes are UTF-8.

        Raises TextError for bytes that are not UTF-8 and have to be normalised.
        """
        if isinstance(text, str):
            return self._apply(text)
        if self.form == "ccnet" and text.isascii():
            return normalize_ascii(text)
        if not self.lowercase and (self.form is None or text.isascii()):
            return text
        try:
            decoded = text.decode()
        except UnicodeDecodeError as error:
            where = f"byte {error.start + 1} of the text (0x{text[error.start]:02x})"
            raise TextError(f"{where} is not UTF-8; convert it first") from error
        normal = self._apply(decoded)
        return text if normal is decoded else normal.encode()

    def _apply(self, text: str) -> str:
        if self.form == "ccnet":
            return normalize(text)
        normal = self._composed(text)
        # Lower case can undo the form: İ in NFC becomes i and a dot that stands apart.
        return self._composed(normal.lower()) if self.lowercase else normal

    def _composed(self, text: str) -> str:
        if self.form is None or text.isascii():
            return text
        form: Any = self.form.upper()
        return text if unicodedata.is_normalized(form, text) else unicodedata.normalize(form, text)

    def config(self) -> Json:
        """What ``from_config`` needs, to be stored."""
        return {"form": self.form, "lowercase": self.lowercase}

    @classmethod
    def from_config(cls, config: Json) -> "Normalizer":
        """The normaliser of a stored ``config``. Raises UsageError for anything that ``config`` does not give."""
        fits = isinstance(config, dict) and set(config) == {"form", "lowercase"}
        if not fits or not isinstance(config["lowercase"], bool):
            raise UsageError(f"a normaliser is stored as a form and lowercase (true or false), not as {config}")
        return cls(config["form"], lowercase=config["lowercase"])
