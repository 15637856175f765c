"""The methods of classification by name; a method's module, and what that needs, is imported when it is asked for."""

from typing import Any

from nextword.errors import UsageError
from nextword.kinds import model_class
from nextword.tasks.classify.base import TextClassifier

METHODS = ("ngram", "bow", "encoder", "cnn", "rnn")


def new_classifier(method: str, **options: Any) -> TextClassifier:
    """An unfitted classifier of one of ``METHODS``; options: those of its class. Raises UsageError.

    >>> new_classifier("ngram", order=3)
    NgramClassifier(order=3)
    """
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")
    found = model_class(f"classify-{method}")
    try:
        classifier: TextClassifier = found(**options)
    except TypeError:
        unknown = sorted(set(options) - set(found().get_params()))
        known = ", ".join(found().get_params())
        raise UsageError(f"{method} has no option {', '.join(unknown)}; its options are {known}") from None
    return classifier
