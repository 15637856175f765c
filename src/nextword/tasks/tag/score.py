"""How good tags are: accuracy by token and by tag; precision, recall and F1 of entities, as conlleval has them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nextword.errors import UsageError
from nextword.tasks.tag.rows import TagRows
from nextword.tasks.tag.spans import are_entities, spans
from nextword.types import Json


class Found(NamedTuple):
    """What was right, what was predicted, what there is to find."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Of what was predicted, the share that is right; 0 if nothing was."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Of what there is, the share that was found; 0 if there is nothing."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two: 2 · correct / (predicted + gold)."""
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0

    def to_json(self) -> Json:
        """Counts and shares."""
        return {**self._asdict(), "precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True)
class TagScores:
    """Tags beside the right ones.

    unknown, unknown_correct: tokens whose word, as written, the training text lacks; None where that is not known.
    tags: of each tag, by falling frequency. entities: all of them, and types: those of each, if tags are entities'.
    surface: distinct pairs of an entity's words and type, each counted once (WNUT 2017). unseen: tags that the model
    does not know, with how many tokens have them; each is an error.
    """

    sentences: int
    tokens: int
    correct: int
    tags: dict[str, Found]
    unknown: int | None = None
    unknown_correct: int | None = None
    entities: Found | None = None
    types: dict[str, Found] = field(default_factory=dict)
    surface: Found | None = None
    unseen: dict[str, int] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of tokens whose tag is right."""
        return self.correct / self.tokens if self.tokens else 0.0

    @property
    def unknown_accuracy(self) -> float | None:
        """The same of unknown words; None where there is none."""
        return self.unknown_correct / self.unknown if self.unknown and self.unknown_correct is not None else None

    @property
    def figure(self) -> float:
        """F1 of entities, accuracy of other tags."""
        return self.accuracy if self.entities is None else self.entities.f1

    def to_json(self) -> Json:
        """Everything, for a program to read."""
        entities = {} if self.entities is None or self.surface is None else {
            "entities": self.entities.to_json(),
            "types": {name: found.to_json() for name, found in self.types.items()},
            "surface": self.surface.to_json(),
        }  # fmt: skip
        return {
            "sentences": self.sentences,
            "tokens": self.tokens,
            "accuracy": self.accuracy,
            "unknown_tokens": self.unknown,
            "unknown_accuracy": self.unknown_accuracy,
            **entities,
            "tags": {name: found.to_json() for name, found in self.tags.items()},
            "unseen_tags": self.unseen,
        }


def score_tags(
    gold: TagRows,
    predicted: TagRows,
    words: TagRows,
    *,
    known_words: Callable[[str], bool] | None = None,
    known_tags: Iterable[str] | None = None,
    entities: bool | None = None,
) -> TagScores:
    """Scores of predicted tags, a list a sentence. entities: whether tags are those of entities; seen by the gold tags.

    Entities' tags are compared entity by entity, so that the two may be of different schemes; tokens as they stand.
    Raises UsageError if the three are not of the same lengths.
    """
    _check(gold, predicted, words)
    pairs = Counter((g, p) for row in zip(gold, predicted, strict=True) for g, p in zip(*row, strict=True))
    golds, guesses, right = Counter[str](), Counter[str](), Counter[str]()
    for (g, p), count in pairs.items():
        golds[g] += count
        guesses[p] += count
        right[g] += count if g == p else 0
    names = sorted(golds | guesses, key=lambda tag: (-golds[tag], tag))
    known = None if known_tags is None else set(known_tags)
    extra: dict[str, Any] = {}
    if known_words is not None:
        extra = _unknown(gold, predicted, words, known_words)
    if are_entities(golds) if entities is None else entities:
        extra |= _entities(gold, predicted, words)
    return TagScores(
        sentences=len(gold),
        tokens=golds.total(),
        correct=right.total(),
        tags={name: Found(right[name], guesses[name], golds[name]) for name in names},
        unseen={} if known is None else {name: golds[name] for name in names if golds[name] and name not in known},
        **extra,
    )


def _check(gold: TagRows, predicted: TagRows, words: TagRows) -> None:
    lengths = [[len(row) for row in rows] for rows in (gold, predicted, words)]
    if lengths[0] == lengths[1] == lengths[2]:
        return
    tokens = [f"{len(one):,} sentences of {sum(one):,} tokens" for one in lengths]
    raise UsageError(
        f"right tags of {tokens[0]}, predicted ones of {tokens[1]}, words of {tokens[2]}: give one a token"
    )


def _unknown(gold: TagRows, predicted: TagRows, words: TagRows, known: Callable[[str], bool]) -> dict[str, Any]:
    seen = {word: known(word) for word in {word for row in words for word in row}}
    right = [
        g == p
        for rows in zip(gold, predicted, words, strict=True)
        for g, p, word in zip(*rows, strict=True)
        if not seen[word]
    ]
    return {"unknown": len(right), "unknown_correct": sum(right)}


def _entities(gold: TagRows, predicted: TagRows, words: TagRows) -> dict[str, Any]:
    counts = [Counter[str](), Counter[str](), Counter[str]()]
    surfaces = [set[tuple[str, str]](), set[tuple[str, str]]()]
    for g, p, row in zip(gold, predicted, words, strict=True):
        there, guessed = set(spans(g)), set(spans(p))
        for counter, found in zip(counts, (there & guessed, guessed, there), strict=True):
            counter.update(span.type for span in found)
        for surface, found in zip(surfaces, (there, guessed), strict=True):
            surface.update((" ".join(row[span.start : span.end]), span.type) for span in found)
    names = sorted(counts[2] | counts[1])
    return {
        "entities": Found(*(counter.total() for counter in counts)),
        "types": {name: Found(*(counter[name] for counter in counts)) for name in names},
        "surface": Found(len(surfaces[0] & surfaces[1]), len(surfaces[1]), len(surfaces[0])),
    }
