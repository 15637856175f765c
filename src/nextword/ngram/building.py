"""From counts to an n-gram model: order by order, each estimated from the one below it and written where it stays.

What is large lives in an arena, so that the same steps make the same model in memory and on disk, and what an order
no longer needs is let go.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from nextword.errors import EstimationError, UsageError
from nextword.ngram.arena import Arena
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.counting import Level
from nextword.ngram.estimate import Estimates, adjusted_counts, bos_slices, counts_of_counts, estimate
from nextword.ngram.interpolation import held_out_frequencies, learn_weights
from nextword.ngram.pruning import kept_ngrams, place_children, thresholds
from nextword.ngram.settings import NgramSettings
from nextword.ngram.smoothing import Rule, make_rule
from nextword.ngram.stupid import StupidBackoff
from nextword.ngram.table import MAX_SLOTS, SLOTS_PER_NGRAM, build_table
from nextword.text.encode import BOS
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.text.zipf import zipf_exponent
from nextword.types import Array, Ids_T, Json

_AT_ONCE = 1 << 20  # n-grams that are written together


class Builder:
    """One training run: the counts, and what is derived from them on the way to a model."""

    def __init__(
        self,
        settings: NgramSettings,
        vocabulary: Vocabulary,
        levels: Iterable[Level],
        held_out: Sequence[Ids_T] | None,
        *,
        arena: Arena,
    ):
        """levels: of orders 1 to ``settings.order``. held_out: ids of sentences, for ``jelinek-mercer``."""
        self.settings, self.vocabulary, self.arena = settings, vocabulary, arena
        self.smoothing = settings.smoothing
        self.levels = list(levels)
        self.bos = bos_slices(self.levels)
        self.sizes = [len(level) for level in self.levels]
        self.unigram_counts = self.levels[0].count
        prune = thresholds(settings.prune, settings.order)
        self.kept = kept_ngrams(self.levels, prune, self._allowed(), arena)
        self.kept_sizes = [
            int(np.count_nonzero(k)) if len(k) else n for k, n in zip(self.kept, self.sizes, strict=True)
        ]
        if sum(self.kept_sizes) * SLOTS_PER_NGRAM >= MAX_SLOTS:
            total = sum(self.kept_sizes)
            raise EstimationError(f"{total:,} n-grams are more than one model can hold; drop rare ones with --prune")
        self.words = self.kept_sizes[0] - 1  # V: <s> is never predicted
        self.last: list[int] = []
        if self.smoothing.like_lmplz and self.smoothing.continuation:
            self.last = [last_in_suffix_order(self.levels[: k + 1]) for k in range(len(self.levels) - 1)]
        self.weights: Array | None = None
        if self.smoothing.name == "jelinek-mercer" and held_out is not None:
            if not sum(map(len, held_out)):
                raise EstimationError("the held-out text is empty; give --valid a file with at least one line")
            relative, contexts = held_out_frequencies(self.levels, held_out, threads=settings.threads, arena=arena)
            self.weights = learn_weights(relative, contexts, self.words, buckets=self.smoothing.buckets)

    def model(self) -> BackoffModel | StupidBackoff:
        """Estimate each order from the one below it, into the arrays of the model."""
        starts = np.concatenate([[0, 0], np.cumsum(self.kept_sizes)]).astype(np.int64)
        total, below = int(starts[-1]), int(starts[-2])
        word, first = self.arena.empty(total, np.uint32), self.arena.empty(below + 1, np.uint32)
        inner, leaf = self.arena.empty((below, 2), np.float32), self.arena.empty(total - below, np.float32)
        first[-1] = total
        rules: list[Rule] = []
        lower = self._base()
        for k in range(self.settings.order):
            rule, result = self._order(k, lower)
            rules.append(rule)
            here = slice(int(starts[k + 1]), int(starts[k + 2]))
            np.minimum(result.p, 1.0, out=result.p)
            self._write_logs(result.p, self.kept[k], leaf if k + 1 == self.settings.order else inner[here, 0])
            if k:
                before = slice(int(starts[k]), int(starts[k + 1]))
                self._write_logs(result.backoff, self.kept[k - 1], inner[before, 1])
                place_children(self.levels[k].first, self.kept[k - 1], self.kept[k], here.start, first[before])
            self._write_words(self.levels[k].word, self.kept[k], word[here])
            lower = result.p
            self.levels[k] = Level(*[np.zeros(0, dtype=np.uint32)] * 4)
        model = BackoffModel.from_trie(
            self._pruned_vocabulary(),
            self.settings.order,
            starts=starts,
            word=word,
            first=first,
            inner=inner,
            leaf=leaf,
            build=partial(build_table, threads=self.settings.threads, arena=self.arena),
            details=self._details(rules),
        )
        return StupidBackoff(model) if self.smoothing.name == "stupid-backoff" else model

    def _allowed(self) -> Array | None:
        """Words that may occur, (V,) bool, or None for all."""
        if self.settings.limit_vocab is None:
            return None
        if isinstance(self.settings.limit_vocab, str):
            raise UsageError("limit_vocab is a list of words, not one string; split it")
        allowed = np.zeros(len(self.vocabulary), dtype=bool)
        allowed[self.vocabulary.ids(self.settings.limit_vocab)] = True
        allowed[self.vocabulary.ids(SPECIALS)] = True
        return allowed

    def _order(self, k: int, lower: Array) -> tuple[Rule, Estimates]:
        level = self.levels[k]
        above = self.levels[k + 1] if k + 1 < len(self.levels) else None
        continuation = self.smoothing.continuation
        adjusted = adjusted_counts(level, above, self.bos[k], continuation=continuation, arena=self.arena)
        if k == 0:
            adjusted[BOS] = 0  # never predicted
        rule = self._rule(k, level, adjusted)
        if k == 0:  # the order below the unigrams: entry 0 for every word, entry 1 for <unk>
            suffix = np.zeros(len(level), dtype=np.uint32)
            suffix[self.vocabulary["<unk>"]] = 1
            level = replace(level, suffix=suffix)
        additive = self.smoothing.name in ("add", "laplace")
        if additive:
            lower = np.broadcast_to(1 / self.words, len(lower))
        elif self.smoothing.name == "stupid-backoff":  # relative frequencies: no share of what pruning drops
            lower = np.broadcast_to(0.0, len(lower))
        arguments = (level, adjusted, self.kept[k], lower, self.words)
        result = estimate(self.smoothing, rule, *arguments, threads=self.settings.threads, arena=self.arena)
        if additive and k + 1 < self.settings.order:
            self._make_uniform(k, result)
        if self.smoothing.name == "stupid-backoff":
            result.backoff[:] = 1.0
        if k == 0:
            result.p[BOS] = 1.0  # written as lmplz writes it
        return rule, result

    def _base(self) -> Array:
        """What stands below the unigrams: 1/V for every word, or all of it for ``<unk>``."""
        share = 1 / self.words
        return np.array([share, share] if self.smoothing.interpolate_unigrams else [0.0, 1.0])

    def _rule(self, k: int, level: Level, adjusted: Array) -> Rule:
        if not len(adjusted):  # no sentence is so long: nothing to discount
            return Rule(np.zeros(2))
        most = max(4, self.smoothing.katz_k + 1)
        counts = counts_of_counts(adjusted, most)
        if k < len(self.last):  # lmplz counts the last n-gram with its raw count
            last = self.last[k]
            for value, change in ((int(adjusted[last]), -1), (int(level.count[last]), 1)):
                if value <= most:
                    counts[value] += change
        weights = None if self.weights is None else self.weights[k]
        return make_rule(self.smoothing, k + 1, counts, self.words, weights)

    def _make_uniform(self, k: int, result: Estimates) -> None:
        """Additive smoothing knows only whole contexts: shorter ones are uniform, but for a sentence's beginning."""
        begun = self.bos[k] if k else slice(0, 0)
        result.p[: begun.start] = result.p[begun.stop :] = 1 / self.words
        if k:
            begun = self.bos[k - 1]
            result.backoff[: begun.start] = result.backoff[begun.stop :] = 1.0

    def _write_logs(self, values: Array, kept: Array, target: Array) -> None:
        """Log10 of those of ``values`` that are kept, in float32, into ``target``."""

        def write(some: Array, place: Array) -> None:
            with np.errstate(divide="ignore"):
                np.log10(some, out=place, casting="same_kind")

        self._write(values, kept, target, write)

    def _write_words(self, word: Array, kept: Array, target: Array) -> None:
        """Last words of the kept n-grams, by the numbers of the kept unigrams, into ``target``."""
        renumbered = np.cumsum(self.kept[0], dtype=np.uint32) - np.uint32(1)

        def write(some: Array, place: Array) -> None:
            place[:] = renumbered[some] if len(kept) else some

        self._write(word, kept, target, write)

    def _write(self, values: Array, kept: Array, target: Array, write: Callable[[Array, Array], None]) -> None:
        """``write`` those of ``values`` that are kept to their places in ``target``, some at a time, on all threads."""
        begins = range(0, len(values), _AT_ONCE)
        counts = [np.count_nonzero(kept[at : at + _AT_ONCE]) if len(kept) else _AT_ONCE for at in begins]
        places = np.cumsum([0, *counts])

        def write_some(i: int) -> None:
            some = values[begins[i] : begins[i] + _AT_ONCE]
            if len(kept):
                some = some[kept[begins[i] : begins[i] + _AT_ONCE]]
            write(some, target[places[i] : places[i] + len(some)])

        with ThreadPoolExecutor(self.settings.threads) as pool:
            list(pool.map(write_some, range(len(begins))))

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
            details["bigram_coverage"] = self.sizes[1] / (len(self.vocabulary) - 1) ** 2
        details["zipf_exponent"] = zipf_exponent(self.unigram_counts[len(SPECIALS) :])
        details["zipf_exponent_of"] = "word counts in the training text"
        return details


def last_in_suffix_order(levels: Sequence[Level]) -> int:
    """Index, within the highest of ``levels``, of the n-gram that comes last when compared from its last word back."""
    words = levels[-1].word
    candidates = nodes = np.flatnonzero(words == words.max()) if len(words) else np.zeros(1, dtype=np.int64)
    for k in reversed(range(len(levels) - 1)):
        nodes = np.searchsorted(levels[k + 1].first, nodes.astype(np.uint32), side="right") - 1
        words = levels[k].word[nodes]
        last = words == words.max()
        candidates, nodes = candidates[last], nodes[last]
    return int(candidates[0])
