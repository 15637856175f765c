"""The tagger: an estimator of scikit-learn's kind around a network, saved as a model directory."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nextword.errors import UsageError
from nextword.neural import require_torch
from nextword.neural.training_settings import TrainingSettings, usual_settings
from nextword.tasks.saved import TaskModel
from nextword.tasks.tag.rows import TagRows, check_rows, check_sentences, digest, full
from nextword.tasks.tag.score import TagScores, score_tags
from nextword.tasks.tag.spans import OUTSIDE, SCHEMES, allowed, are_entities, convert, parts, tags_for
from nextword.text.lexicon import lexicon
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Json

if TYPE_CHECKING:
    from nextword.neural.place import Report
    from nextword.neural.tagger import Sizes, TaggerNetwork, TaggerSettings
    from nextword.neural.tagging import Sentences
    from nextword.tasks.tag.judge import TagJudge

_KNOWN = ("auto", "none", *SCHEMES)
_TRAINING = ("epochs", "batch_size", "lr", "patience", "seed", "threads", "device")
_NETWORK = (
    "network", "output", "window", "embedding_size", "vectors_as", "characters", "character_size",
    "character_features", "shape_size", "hidden_size", "layers", "dropout", "word_dropout",
)  # fmt: skip
_VOCABULARIES = ("characters", "written", "vectors")  # stored among the arrays, beside that of words


class Tags(NamedTuple):
    """The tags by id, and the scheme that they are of: ``none`` if they are not entities'."""

    names: list[str]
    scheme: str

    @property
    def entities(self) -> bool:
        """Whether they are entities'."""
        return self.scheme != "none"


class Tagger(TaskModel, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gives each token of a sentence a tag. X is a list of token lists, y a list of tag lists of the same lengths.

    network: window, rnn or bilstm; output: softmax or crf; these and embedding_size to word_dropout: see
    ``neural.tagger.TaggerSettings``, where vectors_as is called vectors. vectors: a file of word vectors (word2vec's
    text format or GloVe's), of which the model keeps the first ``most_vectors``, all unless given; a word is looked up
    as it is, lowercased, and with each digit 0; failing that it has the mean of its pieces' vectors. min_count: rarer
    words have no embedding of their own.

    scheme: ``auto`` sees by the training tags whether they are entities', and learns these as IOB2; ``iob2`` and
    ``iobes`` are for entities, in whatever scheme y has them; ``none`` takes tags as they are. ``predict`` gives tags
    of that scheme. tune_outside: O then scores so much less everywhere as gives the validation sentences the best F1.

    epochs, batch_size, lr, patience, seed, threads, device: see ``TrainingSettings``; None is the usual. training:
    others of those settings by name, which prevail.

    tags_: the tags and their scheme. encoder_: what is known of words. written_: the words of the training text as
    written. network_: the network. outside_: how much less O scores than it was trained to. report_: how the training
    went, None in a model that was loaded.
    """

    kind: ClassVar[str] = "tagger"
    noun: ClassVar[str] = "tagger"

    def __init__(
        self,
        *,
        network: str = "bilstm",
        output: str = "softmax",
        window: int = 2,
        embedding_size: int = 100,
        vectors: str | Path | None = None,
        vectors_as: str = "static",
        most_vectors: int | None = None,
        characters: str = "cnn",
        character_size: int = 32,
        character_features: int = 64,
        shape_size: int = 8,
        hidden_size: int = 128,
        layers: int = 1,
        dropout: float = 0.33,
        word_dropout: float = 0.1,
        min_count: int = 1,
        scheme: str = "auto",
        tune_outside: bool = False,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        patience: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        device: str = "auto",
        training: Mapping[str, Any] | None = None,
    ):
        self.network, self.output, self.window = network, output, window
        self.embedding_size, self.vectors, self.vectors_as = embedding_size, vectors, vectors_as
        self.most_vectors = most_vectors
        self.characters, self.character_size, self.character_features = characters, character_size, character_features
        self.shape_size, self.hidden_size, self.layers = shape_size, hidden_size, layers
        self.dropout, self.word_dropout = dropout, word_dropout
        self.min_count, self.scheme, self.tune_outside = min_count, scheme, tune_outside
        self.epochs, self.batch_size, self.lr, self.patience = epochs, batch_size, lr, patience
        self.seed, self.threads, self.device, self.training = seed, threads, device, training

    def fit(
        self,
        X: TagRows,
        y: TagRows,
        *,
        valid: tuple[TagRows, TagRows] | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn from sentences and their tags.

        valid: others; the weights that do best on them are kept, by entities' F1 or by tokens' accuracy. run:
        ``directory, resume, tensorboard, watch`` as ``neural.training.train`` takes them.
        A tag that only ``valid`` has is an error wherever it comes. Raises UsageError for lists that do not fit or
        settings that make no sense, TrainingError if there is no token.
        """
        require_torch()
        from nextword.neural.tagging import new_tagger, train_tagger
        from nextword.tasks.tag.encode import NO_VECTORS, Encoder, read_vectors
        from nextword.tasks.tag.judge import TagJudge

        settings, chosen = self._training_settings(), self._network_settings()
        words, tags = full(X, y, "training")
        held_out = None if valid is None else full(*valid, "validation")
        settings.check_valid(held_out is not None)
        self.tags_ = self._tags(tags)
        if self.tune_outside and (held_out is None or not self.tags_.entities):
            raise UsageError("tune_outside needs validation sentences with entities; give them with valid (--valid)")
        vectors = NO_VECTORS if self.vectors is None else read_vectors(self.vectors, most=self.most_vectors)
        self.encoder_ = Encoder.of(words, min_count=self.min_count, vectors=vectors)
        self.written_ = lexicon(word for sentence in words for word in sentence)
        self.network_ = new_tagger(chosen, self._sizes(), allowed=self._allowed(), seed=settings.seed)
        data = self.encoder_.encoded(words, self._ids(tags))
        beside: dict[str, Any] = {}
        if held_out is not None:
            gold = [self._in_scheme(row) for row in held_out[1]]
            judge = TagJudge(gold, self.tags_.names, entities=self.tags_.entities)
            beside = {"valid": self.encoder_.encoded(held_out[0]), "judge": judge}
        same = {"validation tags": None if held_out is None else digest(held_out[1])}
        self.report_: Report | None = train_tagger(
            self.network_, data, settings, **beside, **{"identity": same, **(run or {})}
        )
        self.network_.cpu()
        self.outside_ = self._tuned(beside["valid"], beside["judge"]) if self.tune_outside else 0.0
        return self

    def predict(self, X: TagRows) -> list[list[str]]:
        """Tags of each sentence; an empty one has none."""
        from nextword.neural.tagging import best_tags

        names = self._fitted().names
        found: list[list[str]] = [[] for _ in X]
        for i, row in self._each(X, best_tags):
            found[i] = [names[k] for k in row.tolist()]
        return found

    def predict_marginals(self, X: TagRows) -> list[Array]:
        """The probability of each tag of ``tags_.names`` at each token: (T, K) float32 a sentence.

        With a conditional random field it is the sum of the probabilities of all sequences with that tag there, and
        the likeliest sequence, which ``predict`` gives, need not be that of the likeliest tags.
        """
        from nextword.neural.tagging import tag_probabilities

        found = [np.zeros((0, len(self._fitted().names)), dtype=np.float32) for _ in X]
        for i, row in self._each(X, tag_probabilities):
            found[i] = row
        return found

    def evaluate(self, X: TagRows, y: TagRows) -> TagScores:
        """Every figure of the predicted tags beside ``y``. Raises UsageError for lists that do not fit."""
        tags = self._fitted()
        check_rows(X, y, "test")
        gold = [self._in_scheme(row) for row in y]
        known = self.written_.__contains__
        return score_tags(gold, self.predict(X), X, known_words=known, known_tags=tags.names, entities=tags.entities)

    def score(self, X: TagRows, y: TagRows) -> float:
        """F1 of entities, or accuracy of other tags."""
        return self.evaluate(X, y).figure

    def unseen_tags(self, y: TagRows) -> dict[str, int]:
        """Tags that the training text lacks, and how many tokens have each: whatever is predicted there is wrong."""
        known = set(self._fitted().names)
        return dict(Counter(tag for row in y for tag in self._in_scheme(row) if tag not in known).most_common())

    @property
    def vocabulary(self) -> Vocabulary:  # type: ignore[override]
        """Of words, lowercased and each digit 0."""
        self._fitted()
        return self.encoder_.vocabulary

    def parameters(self) -> Json:
        """Options and tags, to be stored."""
        tags = self._fitted()
        options = self.get_params(deep=False)
        options |= {"vectors": None if self.vectors is None else str(self.vectors)}
        options |= {"training": None if self.training is None else dict(self.training)}
        return {"options": options, "tags": tags.names, "scheme": tags.scheme, "outside": self.outside_}

    def arrays(self) -> dict[str, Array]:
        """Weights, vectors and further vocabularies, to be stored."""
        from nextword.neural.tagging import weights

        self._fitted()
        arrays = {f"network.{name}": array for name, array in weights(self.network_).items()}
        for name, vocabulary in zip(_VOCABULARIES, self._vocabularies(), strict=True):
            arrays |= {f"{name}.{part}": array for part, array in vocabulary.compact().stored().items()}
        return arrays | {"table": self.encoder_.vectors.table}

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> Self:
        """A tagger of stored arrays. Raises UsageError if they do not fit together."""
        require_torch()
        from nextword.neural.tagging import new_tagger, restore
        from nextword.tasks.tag.encode import Encoder, Vectors

        special: dict[str, int | None] = {"unk": 0, "bos": 1, "eos": 2}
        none: dict[str, int | None] = dict.fromkeys(special)
        characters, written, vectors = (
            Vocabulary.from_arrays(_below(f"{name}.", arrays), none if name == "vectors" else special)
            for name in _VOCABULARIES
        )
        model = cls(**parameters["options"])
        model.tags_, model.written_, model.report_ = Tags(parameters["tags"], parameters["scheme"]), written, None
        model.outside_ = parameters["outside"]
        model.encoder_ = Encoder(vocabulary, characters, Vectors(vectors, arrays["table"]))
        model.network_ = new_tagger(model._network_settings(), model._sizes(), allowed=model._allowed(), seed=0)
        restore(model.network_, _below("network.", arrays))
        return model

    def _tuned(self, valid: "Sentences", judge: "TagJudge") -> float:
        """Let O score less, and say by how much."""
        from nextword.neural.tagging import add_to_score, best_tags
        from nextword.tasks.tag.judge import best_shift

        outside = self.tags_.names.index(OUTSIDE)

        def found(shift: float) -> list[Array]:
            add_to_score(self.network_, outside, -shift)
            tags = best_tags(self.network_, valid)
            add_to_score(self.network_, outside, shift)
            return tags

        shift = best_shift(found, judge)
        add_to_score(self.network_, outside, -shift)
        return shift

    def _fitted(self) -> Tags:
        check_is_fitted(self, "network_")
        return self.tags_

    def _vocabularies(self) -> tuple[Vocabulary, Vocabulary, Vocabulary]:
        """Those of ``_VOCABULARIES``."""
        return self.encoder_.characters, self.written_, self.encoder_.vectors.vocabulary

    def _network_settings(self) -> "TaggerSettings":
        from nextword.neural.tagger import TaggerSettings

        return TaggerSettings(**{name.replace("vectors_as", "vectors"): getattr(self, name) for name in _NETWORK})

    def _training_settings(self) -> TrainingSettings:
        given = {name: getattr(self, name) for name in _TRAINING}
        chosen = {name: value for name, value in given.items() if value is not None}
        return usual_settings(self.kind, **{**chosen, **(self.training or {})})

    def _sizes(self) -> "Sizes":
        from nextword.neural.tagger import Sizes
        from nextword.tasks.tag.encode import SHAPES

        encoder = self.encoder_
        size = encoder.vectors.table.shape[1]
        return Sizes(len(encoder.vocabulary), len(encoder.characters), len(SHAPES), len(self.tags_.names), size)

    def _allowed(self) -> tuple[Array, Array, Array] | None:
        return allowed(*self.tags_) if self.tags_.entities else None

    def _tags(self, rows: TagRows) -> Tags:
        """The tags to be learnt."""
        seen = {tag for row in rows for tag in row}
        if self.scheme not in _KNOWN:
            raise UsageError(f"scheme={self.scheme!r}: expected one of {', '.join(_KNOWN)}")
        scheme = self.scheme
        if scheme == "auto":
            scheme = "iob2" if are_entities(seen) else "none"
        if scheme == "none":
            return Tags(lexicon(tag for row in rows for tag in row).words[len(SPECIALS) :], scheme)
        return Tags(tags_for({parts(tag)[1] for tag in seen if tag != OUTSIDE}, scheme), scheme)

    def _in_scheme(self, row: Sequence[str]) -> list[str]:
        return convert(row, self.tags_.scheme) if self.tags_.entities else list(row)

    def _ids(self, rows: TagRows) -> list[list[int]]:
        ids = {name: i for i, name in enumerate(self.tags_.names)}
        return [[ids[tag] for tag in self._in_scheme(row)] for row in rows]

    def _each(
        self, X: TagRows, work: "Callable[[TaggerNetwork, Sentences], list[Array]]"
    ) -> Iterator[tuple[int, Array]]:
        """What ``work`` finds for each sentence that has tokens, with its place."""
        check_sentences(X)
        full = [i for i, sentence in enumerate(X) if len(sentence)]
        if full:
            yield from zip(full, work(self.network_, self.encoder_.encoded([X[i] for i in full])), strict=True)


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
