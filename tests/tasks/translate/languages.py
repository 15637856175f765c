"""Two toy languages: English words, and their Spanish translations in the opposite order."""

import random

WORDS = dict(
    zip(
        ["the", "cat", "bird", "sees", "small", "red"],
        ["el", "gato", "pájaro", "ve", "pequeño", "rojo"],
        strict=True,
    )
)


def sentences(count, *, seed, words=WORDS):
    """That many sentences of 1 to 5 words, and their translations."""
    draw = random.Random(seed)
    sources = [[draw.choice(list(words)) for _ in range(draw.randint(1, 5))] for _ in range(count)]
    return [" ".join(s) for s in sources], [" ".join(words[word] for word in reversed(s)) for s in sources]


def quick(**options):
    """Settings of a training that takes seconds."""
    known = {"epochs": 6, "batch_size": 16, "lr": 0.006, "ema": 0.9, "threads": 1, "precision": "float32"}
    return known | options
