"""A weighted sum of language models, which is a language model itself, and its weights by EM."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np

from nextword.errors import EstimationError, UsageError, VocabularyError
from nextword.kinds import KINDS, model_class
from nextword.model import LanguageModel
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Float_T, Ids_BT, Ids_R, Ids_T, Json

State: TypeAlias = tuple[Any, ...]  # one of each member

_OWN = "vocabulary"  # before the names of a member's own vocabulary, where a member's number stands otherwise


class Mixture:
    """p(w given h) = Σ weights[m] · p_m(w given h): linear interpolation (Jelinek and Mercer 1980).

    The members have the same words, whatever ids they give them; those of the first are the mixture's. One whose
    members are sentence models is a sentence model; otherwise it is a stream model, in which a sentence model
    forgets at ``</s>`` and the others carry on.

    stream_log_probs, token_log_probs_and_hidden: faster doors, there if the members have them: all of them the
    first (see ``tasks.reading``), one the second (see ``tasks.cache``; hidden states are the heaviest such member's).
    """

    kind: ClassVar[str] = "mixture"
    stream_log_probs: Callable[[Ids_T], Float_T]
    token_log_probs_and_hidden: Callable[..., tuple[Float_BT, Array, State]]

    def __init__(self, models: Sequence[LanguageModel[Any]], weights: Sequence[float] | Array | None = None):
        """weights: one a model, 0 or more, their sum 1; equal ones unless given.

        Raises UsageError for weights or models that make no mixture, VocabularyError for models with other words.
        """
        self.models = tuple(models)
        self.weights = _checked_weights(self.models, weights)
        self.vocabulary = self.models[0].vocabulary
        self._theirs = [_ids_in(self.vocabulary, m.vocabulary, i) for i, m in enumerate(self.models, start=1)]
        sentences = all(model.scope == "sentence" for model in self.models)
        self.scope: Literal["sentence", "stream"] = "sentence" if sentences else "stream"
        lengths = [model.context_length for model in self.models]
        self.context_length = None if None in lengths else max(n for n in lengths if n is not None)
        if all(hasattr(model, "stream_log_probs") for model in self.models):
            self.stream_log_probs = self._stream_log_probs
        seeing = [i for i, model in enumerate(self.models) if hasattr(model, "token_log_probs_and_hidden")]
        if seeing:
            self._seeing = max(seeing, key=lambda i: self.weights[i])
            self.token_log_probs_and_hidden = self._token_log_probs_and_hidden

    def __repr__(self) -> str:
        return f"Mixture({', '.join(f'{w:.3g} × {m!r}' for w, m in zip(self.weights, self.models, strict=True))})"

    @property
    def details(self) -> Json:
        """What it is a mixture of, for whoever asks."""
        kinds = [getattr(model, "kind", type(model).__name__) for model in self.models]
        return {"members": [{"kind": k, "weight": w} for k, w in zip(kinds, self.weights, strict=True)]}

    def start(self, batch: int) -> State:
        """Each member's state of B rows that have read nothing but what comes before a text."""
        return tuple(model.start(batch) for model in self.models)

    def log_probs(self, state: State) -> Float_BV:
        """Log-probabilities of every next word, (B, V) nats; ``<s>`` has -inf."""
        parts = (model.log_probs(part) for model, part in zip(self.models, state, strict=True))
        columns = zip(parts, self._theirs, strict=True)
        return self._sum([part if theirs is None else part[:, theirs[:-1]] for part, theirs in columns])

    def advance(self, state: State, tokens: Ids_BT) -> State:
        """Each member's state after reading (B, T) more."""
        read = self._translated(tokens)
        return tuple(m.advance(part, ids) for m, part, ids in zip(self.models, state, read, strict=True))

    def select(self, state: State, rows: Ids_R) -> State:
        """Rows of each member's state, reordered or repeated."""
        return tuple(model.select(part, rows) for model, part in zip(self.models, state, strict=True))

    def join(self, states: Sequence[State]) -> State:
        """The rows of all the states, in order, member by member."""
        return tuple(m.join(parts) for m, parts in zip(self.models, zip(*states, strict=True), strict=True))

    def token_log_probs(self, tokens: Ids_BT, state: State | None = None) -> tuple[Float_BT, State]:
        """Log-probability of each token in its row, (B, T) nats, and the state after; -1 scores 0."""
        before = (None,) * len(self.models) if state is None else state
        read = zip(self.models, self._translated(tokens), before, strict=True)
        scores, after = zip(*(model.token_log_probs(ids, part) for model, ids, part in read), strict=True)
        return np.where(tokens < 0, 0.0, self._sum(scores)), after

    def _token_log_probs_and_hidden(self, tokens: Ids_BT, state: State | None = None) -> tuple[Float_BT, Array, State]:
        """As ``token_log_probs``, with the hidden state that predicted each token, (B, T, H)."""
        scores: list[Float_BT] = []
        after: list[Any] = []
        hidden = np.zeros((*tokens.shape, 0))
        for i, (model, ids) in enumerate(zip(self.models, self._translated(tokens), strict=True)):
            part = None if state is None else state[i]
            if i == self._seeing:
                found, hidden, end = model.token_log_probs_and_hidden(ids, part)  # type: ignore[attr-defined]
            else:
                found, end = model.token_log_probs(ids, part)
            scores.append(found)
            after.append(end)
        return np.where(tokens < 0, 0.0, self._sum(scores)), hidden, tuple(after)

    def _stream_log_probs(self, ids: Ids_T) -> Float_T:
        """Log-probability of each token of whole sentences end to end, (T,) nats."""
        models: Any = self.models
        return self._sum([m.stream_log_probs(own) for m, own in zip(models, self._translated(ids), strict=True)])

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored. Raises UsageError for a member of no kind."""
        members = []
        for i, (model, theirs) in enumerate(zip(self.models, self._theirs, strict=True), start=1):
            kind = getattr(model, "kind", None)
            if kind not in KINDS:
                raise UsageError(
                    f"model {i} of the mixture, a {type(model).__name__}, is of no kind that is stored; "
                    f"expected one of {', '.join(KINDS)}"
                )
            own = {} if theirs is None else {_OWN: model.vocabulary.specials()}
            members.append({"kind": kind, "parameters": model.parameters()} | own)  # type: ignore[attr-defined]
        return {"weights": list(self.weights), "members": members}

    def arrays(self) -> dict[str, Array]:
        """Each member's arrays, its number before their names, and its own vocabulary where that orders words anew."""
        arrays: dict[str, Array] = {}
        members: Any = self.models
        for i, (model, theirs) in enumerate(zip(members, self._theirs, strict=True)):
            arrays |= {f"{i}.{name}": array for name, array in model.arrays().items()}
            if theirs is not None:
                arrays |= {f"{_OWN}.{i}.{name}": array for name, array in model.vocabulary.arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "Mixture":
        """A mixture over stored arrays, which are used in place and may be memory-mapped. Raises UsageError."""
        models = []
        for i, member in enumerate(parameters["members"]):
            words = vocabulary
            if _OWN in member:
                words = Vocabulary.from_arrays(_below(f"{_OWN}.{i}.", arrays), member[_OWN])
            models.append(model_class(member["kind"]).from_arrays(member["parameters"], _below(f"{i}.", arrays), words))
        return cls(models, parameters["weights"])

    def _translated(self, tokens: Array) -> list[Array]:
        """The tokens in the ids of each member."""
        known = all(theirs is None for theirs in self._theirs)
        if not known and tokens.size and not -1 <= tokens.min() <= tokens.max() < len(self.vocabulary):
            wrong = tokens[(tokens < -1) | (tokens >= len(self.vocabulary))][0]
            raise VocabularyError(f"id {wrong} is not in the vocabulary, whose ids are 0 to {len(self.vocabulary) - 1}")
        return [tokens if theirs is None else theirs[tokens] for theirs in self._theirs]

    def _sum(self, parts: Sequence[Array]) -> Array:
        """Log of the weighted sum of what the members' logarithms stand for."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights).tolist()
        total: Array = parts[0] + logs[0]
        for part, log_weight in zip(parts[1:], logs[1:], strict=True):
            total = np.logaddexp(total, part + log_weight)
        return total


class Fit(NamedTuple):
    """Weights, (M,), and the mean log-likelihood of a token, nats, before each step of EM and after the last.

    impossible: tokens to which every model gives probability 0; no weights help them, and they were left out.
    """

    weights: Array
    log_likelihoods: list[float]
    impossible: int


def fit_weights(log_probs: Array, *, tolerance: float = 1e-9, steps: int = 1000) -> Fit:
    """The weights of a mixture under which a text is likeliest, by EM (Dempster, Laird and Rubin 1977).

    log_probs: (M, T) nats, each model's log-probability of each token of the text, which none was trained on. The
    likelihood is concave in the weights and no step lowers it; it ends when one raises the mean by ``tolerance`` nats
    or less, or after ``steps``. Raises UsageError for another shape, EstimationError if no token is possible.

    >>> fit = fit_weights(np.log([[0.9, 0.9, 0.1], [0.5, 0.5, 0.9]]))
    >>> bool(fit.log_likelihoods[-1] > fit.log_likelihoods[0])
    True
    """
    if log_probs.ndim != 2 or not log_probs.size:
        raise UsageError(f"weights are fitted to an (M, T) array of log-probabilities, not to one of {log_probs.shape}")
    highest = log_probs.max(axis=0)
    possible = highest > -np.inf
    if not possible.any():
        raise EstimationError("every model gives every token of the tuning text probability 0; give another text")
    highest = highest[possible]
    p = np.exp(log_probs[:, possible] - highest)  # (M, T), the best model's 1: no underflow
    weights = np.full(len(p), 1 / len(p))
    history: list[float] = []
    while True:
        total = weights @ p
        history.append(float(np.log(total).mean() + highest.mean()))
        if len(history) > steps or (len(history) > 1 and history[-1] - history[-2] <= tolerance):
            return Fit(weights, history, int((~possible).sum()))
        weights = weights * (p @ (1 / total)) / len(total)  # the mean of each model's share in each token
        weights /= weights.sum()


def _checked_weights(models: tuple[Any, ...], weights: Sequence[float] | Array | None) -> tuple[float, ...]:
    if not models:
        raise UsageError("a mixture of no models was asked for; give at least one")
    for i, model in enumerate(models, start=1):
        if not isinstance(model, LanguageModel):
            name = getattr(model, "kind", type(model).__name__)
            raise UsageError(f"model {i} of the mixture ({name}) gives scores, no probabilities; leave it out")
    given = np.full(len(models), 1 / len(models)) if weights is None else np.asarray(weights, dtype=np.float64)
    if given.shape != (len(models),) or not (given >= 0).all() or abs(given.sum() - 1) > 1e-6:
        shown = " ".join(f"{w:g}" for w in given.ravel())
        raise UsageError(f"weights {shown} of {len(models)} models: give one a model, 0 or more, their sum 1")
    return tuple(given.tolist())


def _ids_in(ours: Vocabulary, theirs: Vocabulary, number: int) -> Array | None:
    """Their id of each of our ids, (V + 1,), -1 last, which stands for itself; None where all ids are the same."""
    if _equal(ours, theirs):
        return None
    different = set(ours.words) ^ set(theirs.words)
    if different:
        raise VocabularyError(
            f"model {number} of the mixture has another vocabulary than model 1: {len(different):,} words are in one "
            f"of them alone, such as {min(different)!r}; train both on the same text, with the same options for words, "
            "or merge n-gram models by mix --static"
        )
    for name, special in ours.specials().items():
        if (None if special is None else theirs[ours.word(special)]) != theirs.specials()[name]:
            raise VocabularyError(f"model {number} of the mixture has another {name} than model 1; train both alike")
    return np.append(theirs.ids(ours.words), -1).astype(np.int32)


def _equal(ours: Vocabulary, theirs: Vocabulary) -> bool:
    if ours is theirs:
        return True
    one, other = ours.arrays(), theirs.arrays()
    same = all(np.array_equal(one[name], other[name]) for name in ("offsets", "words"))
    return same and ours.specials() == theirs.specials()


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
