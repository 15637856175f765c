"""How good translations are: BLEU and chrF by sacrebleu, of all sentences and by the length of the source."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from nextword.errors import UsageError
from nextword.types import Json

LENGTHS = (1, 6, 11, 16)  # words of the source, where buckets begin


class Bucket(NamedTuple):
    """Sentences whose source has ``least`` to ``most`` words (None: any more), and their scores, 0 to 100."""

    least: int
    most: int | None
    sentences: int
    bleu: float
    chrf: float

    @property
    def name(self) -> str:
        """Such as 1–5 or 16+."""
        return f"{self.least}+" if self.most is None else f"{self.least}–{self.most}"


class Scores(NamedTuple):
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015), 0 to 100, with sacrebleu's signatures (Post 2018)."""

    sentences: int
    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    brevity_penalty: float
    by_length: tuple[Bucket, ...]

    def to_json(self) -> Json:
        """For ``--json``."""
        return {**self._asdict(), "by_length": [{"words": one.name, **one._asdict()} for one in self.by_length]}


def evaluate(
    translations: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    sources: Sequence[str] | None = None,
    *,
    lengths: Sequence[int] = LENGTHS,
) -> Scores:
    """Scores of N translations. references: one for each, or several for each. sources: to tell lengths apart.

    Text is as people write it (cased, detokenised); sacrebleu cuts it. Raises UsageError for unequal numbers, and
    where sacrebleu is not installed.
    """
    _check(translations, references, sources)
    from sacrebleu import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    streams = _streams(references)
    whole, characters = bleu.corpus_score(list(translations), streams), chrf.corpus_score(list(translations), streams)
    buckets = [] if sources is None else _buckets(translations, references, sources, lengths, bleu, chrf)
    return Scores(
        len(translations),
        whole.score,
        bleu.get_signature().format(),
        characters.score,
        chrf.get_signature().format(),
        whole.bp,
        tuple(buckets),
    )


def corpus_bleu(translations: Sequence[str], references: Sequence[str] | Sequence[Sequence[str]]) -> float:
    """BLEU, 0 to 100. Raises UsageError for unequal numbers, and where sacrebleu is not installed."""
    return evaluate(translations, references).bleu


def _check(translations: Sequence[str], references: Sequence[Any], sources: Sequence[str] | None) -> None:
    from nextword.tasks.extras import require_tasks

    require_tasks()
    for name, given in (("references", references), ("sources", sources)):
        if given is not None and len(given) != len(translations):
            raise UsageError(f"{len(translations)} translations and {len(given)} {name}: give as many of each")
    if not len(translations):
        raise UsageError("there is no translation to score; give at least one")


def _streams(references: Sequence[Any]) -> list[list[Any]]:
    """The first reference of every sentence, the second of every one, …, as sacrebleu reads them; None for none."""
    several = [[one] if isinstance(one, str) else list(one) for one in references]
    most = max(len(one) for one in several)
    return [[one[i] if i < len(one) else None for one in several] for i in range(most)]


def _buckets(
    translations: Sequence[str],
    references: Sequence[Any],
    sources: Sequence[str],
    lengths: Sequence[int],
    bleu: Any,
    chrf: Any,
) -> list[Bucket]:
    counts = [len(source.split()) for source in sources]
    found = []
    for least, after in zip(lengths, [*lengths[1:], None], strict=True):
        rows = [i for i, n in enumerate(counts) if n >= least and (after is None or n < after)]
        if rows:
            some, streams = [translations[i] for i in rows], _streams([references[i] for i in rows])
            scores = bleu.corpus_score(some, streams).score, chrf.corpus_score(some, streams).score
            found.append(Bucket(least, None if after is None else after - 1, len(rows), *scores))
    return found
