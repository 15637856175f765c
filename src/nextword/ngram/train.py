"""Text in, n-gram model out."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from nextword.errors import EstimationError, UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.counting import Level, count_ngrams
from nextword.ngram.estimate import Estimates, adjusted_counts, bos_slices, counts_of_counts, estimate
from nextword.ngram.interpolation import held_out_frequencies, learn_weights
from nextword.ngram.pruning import kept_ngrams, thresholds, without
from nextword.ngram.smoothing import Name, Rule, Smoothing, make_rule
from nextword.ngram.stupid import StupidBackoff
from nextword.ngram.table import MAX_SLOTS, SLOTS_PER_NGRAM, build_table, ngram_hashes
from nextword.text.blocks import Block
from nextword.text.encode import BOS
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.text.zipf import zipf_exponent
from nextword.types import Array, Ids_T, Json

Progress = Callable[[str], None]


def default_threads() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class NgramSettings:
    """What ``train_ngram`` takes beside the text and its reading; see there."""

    order: int = 5
    smoothing: Smoothing = field(default_factory=Smoothing)
    prune: Sequence[int] = (0,)
    limit_vocab: Collection[str] | None = None
    threads: int = field(default_factory=default_threads)


def train_ngram(
    corpus: Iterable[Block],
    *,
    order: int = 5,
    smoothing: Name | Smoothing = "modified-kneser-ney",
    prune: Sequence[int] = (0,),
    min_count: int = 1,
    vocab_size: int | None = None,
    limit_vocab: Collection[str] | None = None,
    valid: Iterable[Block] | None = None,
    pipeline: Pipeline | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> BackoffModel | StupidBackoff:
    """Train an n-gram model on a text, one sentence a line.

    order: words per n-gram, 1 or more. smoothing: a name, or a Smoothing with settings. prune: per order, drop n-grams
    counted that often or less. min_count, vocab_size: rarer words become ``<unk>``. limit_vocab: drop n-grams with
    other words than these. valid: held-out text, for ``jelinek-mercer`` alone. pipeline: normaliser and tokenizer.

    Raises TextError for text that cannot be read, UsageError for settings that make no sense, and EstimationError,
    which names a remedy, if the text does not suit the smoothing. ``stupid-backoff`` gives a StupidBackoff.
    """
    estimator = smoothing if isinstance(smoothing, Smoothing) else Smoothing(smoothing)
    settings = NgramSettings(order, estimator, prune, limit_vocab, threads or default_threads())
    say = progress or (lambda stage: None)
    reader = pipeline or Pipeline()
    say("reading")
    indexer, unended = Indexer(), False
    for block in corpus:
        indexer.read(reader.canonical(block.text).text, block.where)
        unended = block.unended
    tokens, vocabulary = indexer.finish(
        min_count=min_count, vocab_size=vocab_size, first_appearance=estimator.like_lmplz
    )
    if estimator.like_lmplz and unended:
        tokens = tokens[:-1]  # lmplz gives no </s> to a last line without a newline
    held_out = None
    if valid is not None:
        held_out = [vocabulary.encode(reader.canonical(block.text).text, block.where).ids for block in valid]
    return train_on_tokens(tokens, vocabulary, settings, held_out=held_out, progress=say)


def train_on_tokens(
    tokens: Ids_T,
    vocabulary: Vocabulary,
    settings: NgramSettings,
    *,
    held_out: Sequence[Ids_T] | None = None,
    progress: Progress = lambda stage: None,
) -> BackoffModel | StupidBackoff:
    """As ``train_ngram``, on token ids: (1 + T,), ``</s>`` before the first sentence and at the end of each."""
    if len(tokens) < 2:
        raise EstimationError("the training text is empty; give a file with at least one line")
    progress("counting")
    levels = list(count_ngrams(tokens, len(vocabulary), settings.order, threads=settings.threads))
    run = _Run(settings, vocabulary, levels, held_out)
    progress("estimating")
    return run.model()


class _Run:
    """One training run: the counts, and what is derived from them on the way to a model."""

    def __init__(
        self, settings: NgramSettings, vocabulary: Vocabulary, levels: list[Level], held_out: Sequence[Ids_T] | None
    ):
        self.settings, self.vocabulary, self.levels = settings, vocabulary, levels
        self.smoothing = settings.smoothing
        self.bos = bos_slices(levels)
        prune = thresholds(settings.prune, settings.order)
        allowed = None
        if settings.limit_vocab is not None:
            if isinstance(settings.limit_vocab, str):
                raise UsageError("limit_vocab is a list of words, not one string; split it")
            allowed = np.zeros(len(vocabulary), dtype=bool)
            allowed[vocabulary.ids(settings.limit_vocab)] = True
            allowed[vocabulary.ids(SPECIALS)] = True
        self.kept = kept_ngrams(levels, prune, allowed)
        unigrams = int(self.kept[0].sum()) if len(self.kept[0]) else len(vocabulary)
        self.words = unigrams - 1  # V: <s> is never predicted
        self.weights: Array | None = None
        if self.smoothing.name == "jelinek-mercer" and held_out is not None:
            if not sum(map(len, held_out)):
                raise EstimationError("the held-out text is empty; give --valid a file with at least one line")
            relative, contexts = held_out_frequencies(levels, held_out, threads=settings.threads)
            self.weights = learn_weights(relative, contexts, self.words, buckets=self.smoothing.buckets)

    def model(self) -> BackoffModel | StupidBackoff:
        """Estimate each order from the one below it, then put the table together."""
        rules: list[Rule] = []
        estimates: list[Estimates] = []
        for k in range(self.settings.order):
            rule, result = self._order(k, estimates[-1].p if estimates else self._base())
            rules.append(rule)
            estimates.append(result)
        if self.smoothing.name in ("add", "laplace"):
            self._make_uniform(estimates)
        levels, probabilities, backoffs = self._pruned(estimates)
        stupid = self.smoothing.name == "stupid-backoff"
        if stupid:
            backoffs = [np.ones_like(weight) for weight in backoffs]
        vocabulary, threads = self._pruned_vocabulary(), self.settings.threads
        model = assemble(vocabulary, levels, probabilities, backoffs, self._details(rules), threads=threads)
        return StupidBackoff(model) if stupid else model

    def _order(self, k: int, lower: Array) -> tuple[Rule, Estimates]:
        level = self.levels[k]
        above = self.levels[k + 1] if k + 1 < len(self.levels) else None
        adjusted = adjusted_counts(level, above, self.bos[k], continuation=self.smoothing.continuation)
        if k == 0:
            adjusted[BOS] = 0  # never predicted
        rule = self._rule(k, adjusted)
        if k == 0:  # the order below the unigrams: entry 0 for every word, entry 1 for <unk>
            suffix = np.zeros(len(level), dtype=np.uint32)
            suffix[self.vocabulary["<unk>"]] = 1
            level = replace(level, suffix=suffix)
        if self.smoothing.name in ("add", "laplace"):
            lower = np.full(len(lower), 1 / self.words)
        elif self.smoothing.name == "stupid-backoff":  # relative frequencies: no share of what pruning drops
            lower = np.zeros_like(lower)
        arguments = (level, adjusted, self.kept[k], lower, self.words)
        return rule, estimate(self.smoothing, rule, *arguments, threads=self.settings.threads)

    def _base(self) -> Array:
        """What stands below the unigrams: 1/V for every word, or all of it for ``<unk>``."""
        share = 1 / self.words
        return np.array([share, share] if self.smoothing.interpolate_unigrams else [0.0, 1.0])

    def _rule(self, k: int, adjusted: Array) -> Rule:
        if not len(adjusted):  # no sentence is so long: nothing to discount
            return Rule(np.zeros(2))
        weights = None if self.weights is None else self.weights[k]
        return make_rule(self.smoothing, k + 1, self._counts_of_counts(k, adjusted), self.words, weights)

    def _counts_of_counts(self, k: int, adjusted: Array) -> Array:
        most = max(4, self.smoothing.katz_k + 1)
        counts = counts_of_counts(adjusted, most)
        if self.smoothing.like_lmplz and self.smoothing.continuation and k + 1 < len(self.levels):
            last = last_in_suffix_order(self.levels[: k + 1])
            for value, change in ((int(adjusted[last]), -1), (int(self.levels[k].count[last]), 1)):
                if value <= most:
                    counts[value] += change
        return counts

    def _make_uniform(self, estimates: list[Estimates]) -> None:
        """Additive smoothing knows only whole contexts: shorter ones are uniform, but for a sentence's beginning."""
        top = self.settings.order - 1
        for k in range(top):
            incomplete = np.ones(len(self.levels[k]), dtype=bool)
            incomplete[self.bos[k]] = False
            if k == 0:
                incomplete[BOS] = True
            estimates[k].p[incomplete] = 1 / self.words
        for k in range(1, top):
            contexts = np.ones(len(self.levels[k - 1]), dtype=bool)
            contexts[self.bos[k - 1]] = False
            estimates[k].backoff[contexts] = 1.0

    def _pruned(self, estimates: list[Estimates]) -> tuple[list[Level], list[Array], list[Array]]:
        probabilities = [result.p for result in estimates]
        backoffs = [result.backoff for result in estimates[1:]]
        if not len(self.kept[0]):
            return self.levels, probabilities, backoffs
        probabilities = [p[mask] for p, mask in zip(probabilities, self.kept, strict=True)]
        backoffs = [b[mask] for b, mask in zip(backoffs, self.kept[:-1], strict=True)]
        return without(self.levels, self.kept), probabilities, backoffs

    def _pruned_vocabulary(self) -> Vocabulary:
        if not len(self.kept[0]) or self.kept[0].all():
            return self.vocabulary
        return Vocabulary.from_words([self.vocabulary.word(int(i)) for i in np.flatnonzero(self.kept[0])])

    def _details(self, rules: list[Rule]) -> Json:
        details: dict[str, Any] = {"smoothing": self.smoothing.name, "options": asdict(self.smoothing)}
        if self.settings.limit_vocab is not None:
            details["limit_vocab"] = len(self.settings.limit_vocab)
        if any(len(rule.discounts) > 2 or rule.discounts[1] for rule in rules):
            details["discounts"] = [[round(float(d), 6) for d in rule.discounts[1:]] for rule in rules]
        if self.weights is not None:
            details["weights"] = [[round(float(x), 6) for x in row] for row in self.weights]
        details["notes"] = [rule.note for rule in rules if rule.note]
        if len(self.levels) > 1:  # V counts <unk> and </s>: <s> is never predicted, </s> never a context
            details["bigram_coverage"] = len(self.levels[1]) / (len(self.vocabulary) - 1) ** 2
        details["zipf_exponent"] = zipf_exponent(self.levels[0].count[len(SPECIALS) :])
        details["zipf_exponent_of"] = "word counts in the training text"
        return details


def last_in_suffix_order(levels: Sequence[Level]) -> int:
    """Index, within the highest of ``levels``, of the n-gram that comes last when compared from its last word back."""
    candidates = nodes = np.arange(len(levels[-1]))
    for k in reversed(range(len(levels))):
        words = levels[k].word[nodes]
        last = words == words.max()
        candidates, nodes = candidates[last], nodes[last]
        nodes = np.searchsorted(levels[k].first, nodes, side="right") - 1
    return int(candidates[0])


def assemble(
    vocabulary: Vocabulary,
    levels: Sequence[Level],
    probabilities: Sequence[Array],
    backoffs: Sequence[Array],
    details: Json,
    *,
    threads: int,
) -> BackoffModel:
    """A model from its n-grams, their probabilities, and the back-off weights of all but the highest order."""
    sizes = [len(level) for level in levels]
    if sum(sizes) * SLOTS_PER_NGRAM >= MAX_SLOTS:
        raise EstimationError(f"{sum(sizes):,} n-grams are more than one model can hold; drop rare ones with --prune")
    starts = np.concatenate([[0, 0], np.cumsum(sizes)]).astype(np.int64)
    below = int(starts[-2])
    first = np.empty(below + 1, dtype=np.uint32)
    first[-1] = starts[-1]
    for k, level in enumerate(levels[1:], start=1):
        first[starts[k] : starts[k + 1]] = level.first[:-1] + np.uint32(starts[k + 1])
    inner, leaf = np.empty((below, 2), dtype=np.float32), np.empty(sizes[-1], dtype=np.float32)
    with np.errstate(divide="ignore"):
        for k, p in enumerate(probabilities, start=1):
            p[p > 1] = 1.0
            if k == 1:
                p[BOS] = 1.0  # written as lmplz writes it; never predicted
            target = leaf if k == len(levels) else inner[starts[k] : starts[k + 1], 0]
            np.log10(p, out=target, casting="same_kind")
            if k < len(levels):
                np.log10(backoffs[k - 1], out=inner[starts[k] : starts[k + 1], 1], casting="same_kind")
    hashes = ngram_hashes([level.suffix for level in levels], [level.first for level in levels], sizes[0])
    return BackoffModel.from_trie(
        vocabulary,
        len(levels),
        starts=starts,
        word=np.concatenate([level.word for level in levels]),
        first=first,
        inner=inner,
        leaf=leaf,
        table=build_table(hashes, sizes[0], threads=threads),
        details=details,
    )
