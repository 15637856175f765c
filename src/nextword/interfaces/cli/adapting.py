"""What ``nextword evaluate --cache --dynamic`` adds: figures of models that learn from the text they score."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nextword.errors import UsageError

if TYPE_CHECKING:
    from nextword.lm import LM
    from nextword.model import Scorer
    from nextword.types import Ids_T

# what each option measures: its key in JSON, and that of the perplexity in it, which the table's column is named after
COLUMNS = {"cache": "perplexity_with_cache", "dynamic_evaluation": "perplexity_with_dynamic_evaluation"}


@dataclass(frozen=True)
class Adapting:
    """The options. What is None is tuned on the text ``tune`` if there is one, and has its usual value otherwise."""

    cache: bool
    size: int
    theta: float | None
    weight: float | None
    dynamic: bool
    rate: float | None
    tune: str | None
    field: str

    def check(self) -> None:
        """Raise UsageError for an option that has no effect."""
        if not self.cache and (self.theta, self.weight) != (None, None):
            raise UsageError("--cache-theta and --cache-lambda are of the cache; give --cache too")
        if not self.dynamic and self.rate is not None:
            raise UsageError("--dynamic-lr is of dynamic evaluation; give --dynamic too")
        if self.tune is not None and not (self.cache or self.dynamic):
            raise UsageError("--tune is for --cache and --dynamic, which are tuned on that text; give one of them too")

    def figures(self, lm: "LM", watch: Callable[..., Any]) -> dict[str, dict[str, Any]]:
        """What the options ask for, by name; a reason in place of figures for a model that has none."""
        asked = {"cache": self.cache, "dynamic_evaluation": self.dynamic}
        make = {"cache": self._cache, "dynamic_evaluation": self._dynamic}
        found: dict[str, dict[str, Any]] = {}
        for name in (name for name, wanted in asked.items() if wanted):
            try:
                scorer, settings = make[name](lm)
            except UsageError as error:
                found[name] = {COLUMNS[name]: None, "reason": str(error)}
            else:
                found[name] = _measured(scorer, lm, watch, name) | settings
        return found

    def _cache(self, lm: "LM") -> "tuple[Scorer[Any], dict[str, Any]]":
        from nextword.tasks.cache import WEIGHT, Cache, tune_cache
        from nextword.text.corpus import Corpus

        theta = self.theta if hasattr(lm.model, "token_log_probs_and_hidden") else None
        weight, tuned_on = self.weight, None
        Cache(lm.model, size=self.size, theta=theta, weight=WEIGHT if weight is None else weight)
        if self.tune is not None and None in (self.theta, weight):
            thetas = None if theta is None else [theta]
            corpus = Corpus(self.tune, field=self.field)
            tuning = tune_cache(lm.model, corpus, pipeline=lm.pipeline, size=self.size, thetas=thetas, weight=weight)
            theta, weight, tuned_on = tuning.theta, tuning.weight, self.tune
        cache = Cache(lm.model, size=self.size, theta=theta, weight=WEIGHT if weight is None else weight)
        return cache, {"size": cache.size, "theta": cache.theta, "lambda": cache.weight, "tuned_on": tuned_on}

    def _dynamic(self, lm: "LM") -> "tuple[Scorer[Any], dict[str, Any]]":
        _check_neural(lm.model)
        from nextword.neural.dynamic import DynamicEvaluation, tune_dynamic

        rate, tuned_on = self.rate, None
        if self.tune is not None and rate is None:
            rate, tuned_on = tune_dynamic(lm.model, self._ids(lm)).rate, self.tune
        scorer = DynamicEvaluation(lm.model, rate=rate)
        settings = {"lr": scorer.rate, "decay": scorer.decay, "segment": scorer.segment, "tuned_on": tuned_on}
        return scorer, settings

    def _ids(self, lm: "LM") -> "Ids_T":
        """The tuning text's tokens."""
        import numpy as np

        from nextword.tasks.reading import read_block
        from nextword.text.corpus import Corpus

        assert self.tune is not None
        blocks = Corpus(self.tune, field=self.field)
        parts = [read_block(lm.model.vocabulary, lm.pipeline, block).ids for block in blocks]
        return np.concatenate([np.zeros(0, dtype=np.int32), *parts])


def _check_neural(model: Any) -> None:
    """Raise UsageError before PyTorch is imported, or missed, in vain."""
    if not hasattr(model, "network"):
        raise UsageError(
            f"dynamic evaluation trains a neural network, and this model is a {model.kind}; give a neural one"
        )


def _measured(scorer: "Scorer[Any]", lm: "LM", watch: Callable[..., Any], name: str) -> dict[str, Any]:
    from nextword.tasks.evaluate import evaluate

    with watch(title=name.replace("_", " ")) as watched:
        found = evaluate(scorer, watched.blocks, pipeline=lm.pipeline)
    figures = replace(found, normalised=True)  # given the text so far they are probabilities, if not a model's
    if figures.reason:
        return {COLUMNS[name]: None, "reason": figures.reason}
    bits = COLUMNS[name].replace("perplexity", "bits_per_byte")
    return {COLUMNS[name]: figures.perplexity, bits: figures.bits_per_byte}
