"""Translation by an encoder–decoder with attention, as an estimator: sentences in, sentences out."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nextword.errors import UsageError
from nextword.neural import require_torch
from nextword.tasks.translate.base import TextDecoder, Written, normalizer
from nextword.tasks.translate.pieces import Language, learn
from nextword.tasks.translate.score import corpus_bleu
from nextword.text.vocabulary import EOS, Vocabulary
from nextword.types import Array, Json

_SOURCE = "source."  # before the names of arrays of a source language of its own
_NETWORK = "network."


class Looked(NamedTuple):
    """Where a translator looks. weights: (T, S), each row of sum 1.

    source, target: the tokens as people read them, ``</s>`` last.
    """

    weights: Array
    source: list[str]
    target: list[str]


class Translator(TextDecoder):
    """Encoder–decoder (``neural.seq2seq``) from one language to another.

    tokenizer: bpe, word, char, byte, whitespace or a file; vocab_size: pieces or words, min_count: rarer words are
    unknown. separate: each language has a tokenizer and a vocabulary of its own; otherwise both share one.
    lowercase: of both. Unknown words in the output are copies of the source word that was looked at most
    (Luong et al. 2015b), where there is attention.

    cell, embedding_size, hidden_size, layers, attention (luong, luong-dot, bahdanau, none), input_feeding, dropout,
    tied: see ``Seq2SeqSettings``. label_smoothing: see ``TranslationObjective``. training: settings of
    ``TrainingSettings`` by name, the usual ones for a translator unless given. max_tokens: longer sentences, of either
    language, are left out of training and counted in ``skipped_``. beam, length_penalty: how ``predict`` searches.
    """

    kind: ClassVar[str] = "translator"
    noun: ClassVar[str] = "translator"
    source_: Language | None  # of its own, or None where the two languages share one

    def __init__(
        self,
        *,
        tokenizer: str = "bpe",
        vocab_size: int = 8000,
        min_count: int = 1,
        separate: bool = False,
        lowercase: bool = False,
        cell: str = "lstm",
        embedding_size: int = 256,
        hidden_size: int = 512,
        layers: int = 1,
        attention: str = "luong",
        input_feeding: bool = False,
        dropout: float = 0.3,
        tied: bool = True,
        label_smoothing: float = 0.0,
        max_tokens: int = 100,
        beam: int = 5,
        length_penalty: float = 0.6,
        training: Mapping[str, Any] | None = None,
    ):
        self.tokenizer, self.vocab_size, self.min_count = tokenizer, vocab_size, min_count
        self.separate, self.lowercase = separate, lowercase
        self.cell, self.embedding_size, self.hidden_size, self.layers = cell, embedding_size, hidden_size, layers
        self.attention, self.input_feeding, self.dropout, self.tied = attention, input_feeding, dropout, tied
        self.label_smoothing, self.max_tokens = label_smoothing, max_tokens
        self.beam, self.length_penalty, self.training = beam, length_penalty, training

    def fit(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        valid: tuple[Sequence[str], Sequence[str]] | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn from N sentences and their translations; pairs of which one is blank are left out and counted.

        valid: pairs to measure on, which decides which weights are kept. run: ``directory, resume, tensorboard, watch``
        of ``neural.training.train``. Raises UsageError for options or pairs that do not fit, and what that raises.
        """
        self._check_options()
        sources, targets, blank = whole_pairs(sources, targets)
        self._learn_languages(sources, targets)
        data, long = self._pairs(sources, targets)
        held_out = None if valid is None else self._pairs(*whole_pairs(*valid)[:2])[0]
        self.skipped_ = {"blank": blank, "long": long}
        self._train(self._network_settings(), len(self._source.vocabulary), data, held_out, run)
        return self

    def predict(
        self,
        sources: Sequence[str],
        *,
        beam: int | None = None,
        length_penalty: float | None = None,
        max_tokens: int | None = None,
    ) -> list[str]:
        """The translation of each sentence; of a blank one nothing. Options: those of ``fit``'s object unless given.

        max_tokens: of a translation, its end counted; unless given twice as many as the source has, and 10.
        """
        options: Any = {"beam": beam, "length_penalty": length_penalty, "max_tokens": max_tokens}
        return [found[0].text for found in self.translations(sources, **options)]

    def translations(
        self,
        sources: Sequence[str],
        *,
        best: int = 1,
        beam: int | None = None,
        length_penalty: float | None = None,
        max_tokens: int | None = None,
    ) -> list[list[Written]]:
        """The ``best`` translations of each sentence, best first; see ``predict``."""
        check_is_fitted(self, "network_")
        kept = {i: source.strip() for i, source in enumerate(sources) if source.strip()}
        rows = self._source.sources(list(kept.values()))
        options: Any = {"beam": beam, "length_penalty": length_penalty, "max_tokens": max_tokens}
        found = [[Written("", 0.0, 0.0, True)] for _ in sources]
        for (i, source), hypotheses in zip(kept.items(), self._write(rows, best=best, **options), strict=True):
            found[i] = [Written(self._text(one, source), *one[1:4]) for one in hypotheses]
        return found

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> float:
        """BLEU of the translations, 0 to 100, as sacrebleu has it (Papineni et al. 2002; Post 2018)."""
        return corpus_bleu(self.predict(sources), targets)

    def log_probs(self, sources: Sequence[str], targets: Sequence[str]) -> Array:
        """Log-probability of each translation given its source, its end included, (N,) nats: to see which fits better.

        Raises UsageError for a blank sentence among them.
        """
        check_is_fitted(self, "network_")
        sources, targets, blank = whole_pairs(sources, targets)
        if blank:
            raise UsageError(f"{blank} of the pairs are blank, and have no probability; leave them out")
        from nextword.neural.decoding import token_log_probs
        from nextword.neural.pairs import Pairs

        pairs = Pairs(self._source.sources(sources), self._target.ids(targets))
        found = token_log_probs(self.network_, pairs, specials=self._specials)
        return np.array([float(row.sum()) for row in found])

    def look(self, source: str, target: str | None = None) -> Looked:
        """Where it looks as it writes ``target``, or its own translation unless given.

        Raises UsageError for a translator without attention, and for a blank source.
        """
        check_is_fitted(self, "network_")
        if self.attention == "none":
            raise UsageError("this translator was trained without attention, so it looks nowhere; train one with luong")
        if not source.strip():
            raise UsageError("the sentence is blank, so there is nothing to look at; give one with words")
        from nextword.neural.decoding import attend

        row = self._source.sources([source.strip()])[0]
        if target is None:
            wanted = np.array(self._write([row])[0][0].ids, dtype=np.int64)
        else:
            wanted = self._target.ids([target.strip()])[0]
        weights = attend(self.network_, row, wanted, specials=self._specials)
        return Looked(weights, self._source.readable(row), [*self._target.readable(wanted), EOS])

    def parameters(self) -> Json:
        """As ``TextDecoder`` says; and of a source language of its own, how its text is cut."""
        return super().parameters() | ({} if self.source_ is None else {"source": self.source_.parameters()})

    def arrays(self) -> dict[str, Array]:
        """Those of the network, and of a source language of its own."""
        arrays = {_NETWORK + name: array for name, array in super().arrays().items()}
        own = {} if self.source_ is None else self.source_.arrays()
        return arrays | {_SOURCE + name: array for name, array in own.items()}

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> Self:
        """What was stored. Raises UsageError for parts that do not fit together."""
        made = super().from_arrays(parameters, _below(_NETWORK, arrays), vocabulary)
        own = parameters.get("source")
        made.source_ = None if own is None else Language.restored(own, _below(_SOURCE, arrays))
        size = len(vocabulary if made.source_ is None else made.source_.vocabulary)
        if made.network_.source_size != size:
            raise UsageError(f"the network reads {made.network_.source_size} ids, the source's vocabulary has {size}")
        return made

    @property
    def _source(self) -> Language:
        """The language that it reads."""
        return self._target if self.source_ is None else self.source_

    def _learn_languages(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        options: Any = {"tokenizer": self.tokenizer, "vocab_size": self.vocab_size, "min_count": self.min_count}
        options |= {"normalizer": normalizer(self.lowercase)}
        self.source_ = learn(sources, **options) if self.separate else None
        self.pipeline, self.vocabulary = learn(targets if self.separate else [*sources, *targets], **options)

    def _pairs(self, sources: Sequence[str], targets: Sequence[str]) -> tuple[Any, int]:
        """Pairs for ``neural`` without those of which one is too long, and how many these are."""
        require_torch()
        from nextword.neural.pairs import Pairs

        ids = zip(self._source.sources(sources), self._target.ids(targets), strict=True)
        kept = [(one, other) for one, other in ids if max(len(one) - 1, len(other)) <= self.max_tokens]
        return Pairs([one for one, _ in kept], [other for _, other in kept]), len(sources) - len(kept)

    def _can_copy(self) -> bool:
        return self.attention != "none"

    def _text(self, one: Any, source: str) -> str:
        """What a hypothesis spells; an unknown word is that of the source which was looked at."""
        words = self._target.words(one.ids)
        if self.vocabulary.unk in one.ids:
            given = [*self._source.pipeline.tokens(source), ""]  # to look at </s> is to copy nothing
            pairs = zip(one.ids, words, one.places, strict=True)
            words = [given[place] if i == self.vocabulary.unk else word for i, word, place in pairs]
        return self._target.pipeline.detokenize([word for word in words if word])


def whole_pairs(sources: Sequence[str], targets: Sequence[str]) -> tuple[list[str], list[str], int]:
    """Pairs without blanks around, those that are nothing else left out, and how many these are. Raises UsageError."""
    if len(sources) != len(targets):
        raise UsageError(f"{len(sources)} sources and {len(targets)} targets: give a translation for each sentence")
    pairs = [(source.strip(), target.strip()) for source, target in zip(sources, targets, strict=True)]
    kept = [pair for pair in pairs if all(pair)]
    return [source for source, _ in kept], [target for _, target in kept], len(pairs) - len(kept)


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
