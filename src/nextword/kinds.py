"""Which class stands for each kind of stored model, by name: its module is imported when such a model is opened."""

import importlib
from typing import Any

from nextword.errors import StoreError, UsageError

KINDS = {  # kind → module:class
    "ngram": "nextword.ngram.backoff:BackoffModel",
    "ngram-trie": "nextword.ngram.compact.trie:TrieModel",
    "ngram-hash": "nextword.ngram.compact.hashed:HashedModel",
    "stupid-backoff": "nextword.ngram.stupid:StupidBackoff",
    "window": "nextword.neural.model:NeuralModel",
    "rnn": "nextword.neural.model:NeuralModel",
    "gru": "nextword.neural.model:NeuralModel",
    "lstm": "nextword.neural.model:NeuralModel",
    "transformer": "nextword.neural.model:NeuralModel",
    "pretrained": "nextword.neural.pretrained:PretrainedModel",
    "mixture": "nextword.mixture:Mixture",
    "classify-ngram": "nextword.tasks.classify.ngram:NgramClassifier",
    "classify-bow": "nextword.tasks.classify.bow:BowClassifier",
    "classify-encoder": "nextword.tasks.classify.encoder:EncoderClassifier",
    "classify-cnn": "nextword.tasks.classify.neural:CnnClassifier",
    "classify-rnn": "nextword.tasks.classify.neural:RnnClassifier",
    "tagger": "nextword.tasks.tag.tagger:Tagger",
    "translator": "nextword.tasks.translate.translator:Translator",
    "captioner": "nextword.tasks.translate.captioner:Captioner",
    "parser": "nextword.tasks.parse.parser:Parser",
}
_NEURAL_TASKS = ("classify-encoder", "classify-cnn", "classify-rnn", "tagger", "translator", "captioner", "parser")


def is_task(kind: str) -> bool:
    """Whether a kind is that of a classifier, tagger, translator or parser, and not of a language model."""
    return KINDS.get(kind, "").startswith("nextword.tasks.")


def model_class(kind: str) -> Any:
    """The class of a kind, which has ``from_arrays(parameters, arrays, vocabulary)``.

    Raises StoreError for a kind that this version lacks, or that needs a package which is not installed.
    """
    if kind not in KINDS:
        raise StoreError(f"its kind {kind!r:.80} is unknown, expected one of {', '.join(KINDS)}; upgrade nextword")
    module, _, name = KINDS[kind].partition(":")
    try:
        if module.startswith("nextword.neural.") or kind in _NEURAL_TASKS:
            importlib.import_module("nextword.neural").require_torch()
        if is_task(kind):
            importlib.import_module("nextword.tasks.extras").require_tasks()
    except UsageError as error:
        raise StoreError(str(error)) from error
    return getattr(importlib.import_module(module), name)
