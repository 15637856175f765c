"""A dependency parser: greedy arc-standard transitions, each chosen by a network (Chen & Manning 2014)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nextword.errors import TrainingError, UsageError
from nextword.neural import require_torch
from nextword.tasks.parse import score as scoring
from nextword.tasks.parse.features import TAGS, Lexicons, Trees, oracle_states
from nextword.tasks.parse.greedy import Grammar, Parse, parse
from nextword.tasks.parse.projective import is_projective, lifted
from nextword.tasks.parse.transitions import NONE, kind
from nextword.tasks.saved import TaskModel
from nextword.text.conllu import Sentence, check_tree, write_conllu
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

if TYPE_CHECKING:
    from nextword.neural.objective import Measured
    from nextword.neural.parser import Column, ParserNetwork, ParserSettings

NONPROJECTIVE = ("lift", "skip")
_SIDE_BY_SIDE = 128  # sentences that are parsed at a time
_FORM, _LEXICON = "form", "lexicon"  # the column whose lexicon is the vocabulary; what names the arrays of others
_CROSSING = "nonprojective_trees"


class Derivation(NamedTuple):
    """A parsed sentence and the kinds of the transitions that built its tree."""

    sentence: Sentence
    transitions: list[int]


class Parser(TaskModel, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A parser, an estimator in the manner of scikit-learn.

    tags: which of upos, xpos and feats it reads; one that no training word has is left out. nonprojective: training
    trees with crossing arcs are lifted (``projective.lifted``) or skipped; ``nonprojective_`` counts them. min_count:
    what is rarer in training is unknown. The others are those of ``neural.parser.ParserSettings``: layers=0,
    activation="cube" and hidden_size=200 make the network of Chen & Manning (2014). training: settings of
    ``TrainingSettings`` by name.

    After ``fit``: ``labels_``, ``lexicons_``, ``network_``, ``nonprojective_`` and ``report_``, how the training went.
    """

    kind: ClassVar[str] = "parser"
    noun: ClassVar[str] = "parser"

    def __init__(
        self,
        *,
        tags: Sequence[str] = ("upos", "xpos", "feats"),
        nonprojective: str = "lift",
        min_count: int = 2,
        layers: int = 1,
        lstm_size: int = 200,
        hidden_size: int = 256,
        activation: str = "relu",
        embedding_size: int = 100,
        tag_size: int = 32,
        label_size: int = 32,
        dropout: float = 0.33,
        word_dropout: float = 0.15,
        tag_dropout: float = 0.0,
        training: Mapping[str, Any] | None = None,
    ):
        self.tags, self.nonprojective, self.min_count = tags, nonprojective, min_count
        self.layers, self.lstm_size, self.hidden_size, self.activation = layers, lstm_size, hidden_size, activation
        self.embedding_size, self.tag_size, self.label_size = embedding_size, tag_size, label_size
        self.dropout, self.word_dropout, self.tag_dropout = dropout, word_dropout, tag_dropout
        self.training = training

    def fit(
        self,
        sentences: Sequence[Sentence],
        *,
        valid: Sequence[Sentence] | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn from sentences with trees; the weights that parse those of ``valid`` best are kept, if they are given.

        run: ``directory, resume, tensorboard, watch`` as ``neural.training.train`` takes them. Raises TextError,
        naming file and line, for heads that make no tree; TrainingError if nothing is left to learn from; UsageError
        for options that make no sense.
        """
        require_torch()
        from nextword.neural.parser_training import Derivations, new_parser, train_parser
        from nextword.neural.training_settings import usual_settings

        training = usual_settings(self.kind, **(self.training or {}))
        if valid is not None:
            _check_held_out(valid)
        sentences = self._projective(sentences)
        counts = Counter(word.deprel for s in sentences for word in s.words)
        self.labels_ = sorted(counts, key=lambda name: (-counts[name], name.encode()))
        roots = {word.deprel for s in sentences for word in s.words if word.head == 0}
        others = {word.deprel for s in sentences for word in s.words if word.head}
        self._roots, self._others = (sorted(map(self.labels_.index, found)) for found in (roots, others))
        self.lexicons_ = Lexicons.of(sentences, self.tags, min_count=self.min_count)
        self.vocabulary = self.lexicons_[_FORM]
        columns = [self.lexicons_.columns(sentence) for sentence in sentences]
        data = Derivations(columns, *oracle_states(self._trees(sentences)))
        self.network_ = new_parser(self._settings(), self._columns(), len(self.labels_), seed=training.seed)
        known: dict[str, Any] = {} if valid is None else {"judge": self._judge(valid), "valid": _digest(valid)}
        self.report_ = train_parser(self.network_, data, training, **known, **(run or {}))
        self.info = {"settings": {**asdict(training), **self.report_._asdict()}}
        return self

    def predict(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """The sentences with the heads and labels that are found; what stood there, and in DEPS, is replaced."""
        return [derivation.sentence for derivation in self.derive(sentences)]

    def derive(self, sentences: Sequence[Sentence]) -> list[Derivation]:
        """As ``predict``, and the transitions that were chosen.

        Raises UsageError, naming file and line, if the parser reads tags that a sentence lacks.
        """
        check_is_fitted(self, "network_")
        self._check_tags(sentences)
        found = []
        for sentence, tree in zip(sentences, self._parse(self.network_, sentences), strict=True):
            found.append(Derivation(self._with_tree(sentence, tree), kind(tree.transitions).tolist()))
        return found

    def score(self, sentences: Sequence[Sentence]) -> float:
        """The labelled attachment score (LAS) of the sentences' words, from 0 to 1."""
        return scoring.score(sentences, self.predict(sentences)).las

    def parameters(self) -> Json:
        """What is not an array."""
        options = {name: value for name, value in self.get_params().items() if name != "training"}
        learned = {"labels": self.labels_, "root_labels": self._roots, "other_labels": self._others}
        return {**options, **learned, "tags": list(self.tags), "columns": list(self.lexicons_)} | {
            _CROSSING: self.nonprojective_
        }

    def arrays(self) -> dict[str, Array]:
        """The network's weights, and the lexicons of the columns."""
        from nextword.neural.parser_training import weights

        arrays = weights(self.network_)
        for name, vocabulary in self.lexicons_.items():
            if name != _FORM:
                arrays |= {f"{_LEXICON}.{name}.{part}": array for part, array in vocabulary.arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "Parser":
        """A parser as it was stored. Raises UsageError for arrays that do not fit."""
        require_torch()
        from nextword.neural.parser_training import new_parser, restore

        parser = cls(**{name: value for name, value in parameters.items() if name in cls._get_param_names()})
        parser.labels_, parser.nonprojective_ = parameters["labels"], parameters[_CROSSING]
        parser._roots, parser._others = parameters["root_labels"], parameters["other_labels"]
        parser.vocabulary, parser.lexicons_ = vocabulary, Lexicons()
        for name in parameters["columns"]:
            prefix = f"{_LEXICON}.{name}."
            own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
            parser.lexicons_[name] = vocabulary if name == _FORM else Vocabulary.from_arrays(own, vocabulary.specials())
        parser.network_ = new_parser(parser._settings(), parser._columns(), len(parser.labels_), seed=0)
        restore(parser.network_, {name: array for name, array in arrays.items() if not name.startswith(f"{_LEXICON}.")})
        parser.network_.eval()
        return parser

    def _settings(self) -> "ParserSettings":
        from nextword.neural.parser import ParserSettings

        options = self.get_params()
        return ParserSettings(**{field.name: options[field.name] for field in fields(ParserSettings)})

    def _columns(self) -> "list[Column]":
        from nextword.neural.parser import Column

        return [Column(name, len(vocabulary), name in TAGS) for name, vocabulary in self.lexicons_.items()]

    def _projective(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """The sentences to learn from, those with crossing arcs lifted or left out, and counted."""
        if self.nonprojective not in NONPROJECTIVE:
            raise UsageError(f"nonprojective={self.nonprojective!r}: expected one of {', '.join(NONPROJECTIVE)}")
        kept, self.nonprojective_ = list[Sentence](), 0
        for sentence in sentences:
            if not sentence.words:
                continue
            check_tree(sentence)
            heads = [word.head or 0 for word in sentence.words]
            if is_projective(heads):
                kept.append(sentence)
                continue
            self.nonprojective_ += 1
            if self.nonprojective == "lift":
                kept.append(sentence.replaced(heads=lifted(heads)))
        if not kept:
            why = "all have arcs that cross; lift them (nonprojective='lift')" if sentences else "give some with trees"
            raise TrainingError(f"there is no sentence to train on: {why}")
        return kept

    def _trees(self, sentences: Sequence[Sentence]) -> Trees:
        numbers = {label: i for i, label in enumerate(self.labels_)}
        heads = [np.array([NONE, *(word.head for word in s.words)], dtype=np.int32) for s in sentences]
        labels = [np.array([NONE, *(numbers[word.deprel] for word in s.words)], dtype=np.int32) for s in sentences]
        return Trees(heads, labels)

    def _judge(self, valid: Sequence[Sentence]) -> "Callable[[ParserNetwork], Measured]":
        """1 - LAS of held-out sentences decides."""
        from nextword.neural.objective import Measured

        def judge(network: "ParserNetwork") -> "Measured":
            found = [self._with_tree(s, tree) for s, tree in zip(valid, self._parse(network, valid), strict=True)]
            scores = scoring.score(valid, found)
            return Measured(1 - scores.las, {"valid_uas": scores.uas, "valid_las": scores.las})

        return judge

    def _parse(self, network: "ParserNetwork", sentences: Sequence[Sentence]) -> list[Parse]:
        """The trees of sentences, which are parsed with others of like length."""
        from nextword.neural.parser import Scorer

        grammar = Grammar(len(self.labels_), root=self._roots, other=self._others)
        lengths = np.array([len(sentence.words) for sentence in sentences], dtype=np.int64)
        order = np.argsort(lengths, kind="stable")
        found: dict[int, Parse] = {}
        for begin in range(0, len(order), _SIDE_BY_SIDE):
            numbers = order[begin : begin + _SIDE_BY_SIDE]
            scorer = Scorer(network, [self.lexicons_.columns(sentences[i]) for i in numbers])
            found |= zip(numbers.tolist(), parse(lengths[numbers].tolist(), scorer, grammar), strict=True)
        return [found[i] for i in range(len(sentences))]

    def _with_tree(self, sentence: Sentence, tree: Parse) -> Sentence:
        deprels = [self.labels_[i] for i in tree.labels]
        return sentence.replaced(heads=tree.heads.tolist(), deprels=deprels, deps=["_"] * len(deprels))

    def _check_tags(self, sentences: Sequence[Sentence]) -> None:
        """Raise UsageError for a sentence without tags. FEATS may be absent from all words of one that has them."""
        for name in ("upos", "xpos"):
            for sentence in sentences if name in self.lexicons_ else ():
                if sentence.words and all(getattr(word, name) == "_" for word in sentence.words):
                    raise UsageError(
                        f"{sentence.where}: the words have no {name.upper()}, which this parser reads; tag them first "
                        "(--tagger DIR)"
                    )


def _check_held_out(sentences: Sequence[Sentence]) -> None:
    """Raise before the training what would be raised after its first epoch."""
    if not any(sentence.words for sentence in sentences):
        raise TrainingError("there is no held-out sentence; give some with trees, or none at all (valid=None)")
    for sentence in sentences:
        check_tree(sentence)


def _digest(sentences: Iterable[Sentence]) -> str:
    """SHA-256 of sentences, by which one knows them again."""
    return sha256("".join(write_conllu(sentences)).encode()).hexdigest()
