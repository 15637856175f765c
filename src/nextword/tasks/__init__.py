"""What language models, and the networks they are made of, are used for.

Estimators in the manner of scikit-learn, imported when they are first asked for, because they need the extra ``tasks``:

    from nextword.tasks import BowClassifier
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextword.tasks.classify.base import TextClassifier
    from nextword.tasks.classify.bow import BowClassifier
    from nextword.tasks.classify.encoder import EncoderClassifier
    from nextword.tasks.classify.neural import CnnClassifier, RnnClassifier
    from nextword.tasks.classify.ngram import NgramClassifier
    from nextword.tasks.parse.parser import Parser
    from nextword.tasks.tag.tagger import Tagger
    from nextword.tasks.translate.captioner import Captioner
    from nextword.tasks.translate.translator import Translator

_HOME_OF = {
    "BowClassifier": "nextword.tasks.classify.bow",
    "Captioner": "nextword.tasks.translate.captioner",
    "CnnClassifier": "nextword.tasks.classify.neural",
    "EncoderClassifier": "nextword.tasks.classify.encoder",
    "NgramClassifier": "nextword.tasks.classify.ngram",
    "Parser": "nextword.tasks.parse.parser",
    "RnnClassifier": "nextword.tasks.classify.neural",
    "Tagger": "nextword.tasks.tag.tagger",
    "TextClassifier": "nextword.tasks.classify.base",
    "Translator": "nextword.tasks.translate.translator",
}

__all__ = [
    "BowClassifier", "Captioner", "CnnClassifier", "EncoderClassifier", "NgramClassifier", "Parser", "RnnClassifier",
    "Tagger", "TextClassifier", "Translator",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nextword.tasks' has no attribute {name!r}")
    import_module("nextword.tasks.extras").require_tasks()
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
