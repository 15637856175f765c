"""scikit-learn's estimator checks give tables of numbers. Written out as words, they are texts for a text classifier.

The checks skip an estimator that says it reads strings, so each classifier is also tried behind this: a subclass that
validates a table of numbers, as scikit-learn's own estimators do, and hands on a word per cell.
"""

from functools import cache, partial

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted, validate_data

_STEP = 0.5  # numbers nearer to each other than that may be the same word

DO_NOT_APPLY = {
    "check_array_api_input": "texts are no arrays of numbers, so no other library's arrays are taken",
}


class _NumbersAsText:
    """fit and the three ways to predict, of a (N, F) table."""

    def _words(self, X, *, reset):
        table = validate_data(self, X, reset=reset)
        return [" ".join(f"{column}:{round(cell / _STEP)}" for column, cell in enumerate(row)) for row in table]

    def fit(self, X, y):
        if y is None:
            return super().fit([], y)
        return super().fit(self._words(X, reset=True), y)

    def predict(self, X):
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        check_is_fitted(self)
        return super().predict_log_proba(self._words(X, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = False, True, False
        return tags


@cache
def _class_over_numbers(kind):
    wrapped = type(kind.__name__, (_NumbersAsText, kind), {"__init__": kind.__init__, "__module__": __name__})
    globals()[kind.__name__] = wrapped  # where pickle, which the checks try, looks for it
    return wrapped


def over_numbers(classifier):
    """The same classifier, of the same options, over tables of numbers."""
    return _class_over_numbers(type(classifier))(**classifier.get_params())


def estimator_checks(classifier, *, without=None):
    """(name, check) pairs for pytest.mark.parametrize. without: further checks that do not apply, and why."""
    skipped = DO_NOT_APPLY | (without or {})
    for estimator, check in estimator_checks_generator(over_numbers(classifier), legacy=True):
        name = check.func.__name__ if isinstance(check, partial) else check.__name__
        marks = [pytest.mark.skip(reason=skipped[name])] if name in skipped else []
        yield pytest.param(estimator, check, id=f"{type(classifier).__name__}-{name}", marks=marks)
