"""Every error that nextword raises on purpose.

    NextwordError
    ├── UsageError          an option or argument that cannot be used as given
    ├── TextError           a corpus that cannot be read (names file and line)
    ├── VocabularyError     a word or id that the vocabulary cannot answer for
    ├── EstimationError     counts that the chosen smoothing cannot use
    ├── TrainingError       a training run that cannot begin, go on or be resumed
    ├── ArpaError           an ARPA file that is not one (names file and line)
    ├── StoreError          a model directory that cannot be opened or written
    ├── ClusterError        a cluster that cannot be joined, or cannot do the work
    └── ConformanceError    a model that breaks the LanguageModel protocol

A message says what was given, what was expected and what to do about it.
"""


class NextwordError(Exception):
    """Base of all errors that nextword raises on purpose."""


class UsageError(NextwordError, ValueError):
    """An option or argument that cannot be used as given."""


class TextError(NextwordError, ValueError):
    """A corpus that cannot be read; the message begins with ``file:line:`` where there is one."""


class VocabularyError(NextwordError, LookupError):
    """A word or id that the vocabulary cannot answer for."""


class EstimationError(NextwordError, ValueError):
    """Counts that the chosen smoothing cannot use; the message names the order and a remedy."""


class TrainingError(NextwordError, ValueError):
    """A training run that cannot begin, go on or be resumed; the message names a remedy."""


class ArpaError(NextwordError, ValueError):
    """An ARPA file that is not one; the message begins with ``file:line:``."""


class StoreError(NextwordError, OSError):
    """A model directory that cannot be opened or written; the message begins with its path."""


class ClusterError(NextwordError, RuntimeError):
    """A cluster that cannot be joined, or cannot do the work; the message names node or job, and a remedy."""


class ConformanceError(NextwordError, AssertionError):
    """A model that breaks the LanguageModel protocol; the message shows the input that did it."""
