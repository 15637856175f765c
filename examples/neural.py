"""Train a neural model and an n-gram on the same lines, mix them, and see what each knows of words it has not seen.

Needs PyTorch: pip install 'nextword[neural]'. Run: python examples/neural.py
"""

import tempfile

import nextword
from nextword import Corpus

LINES = [
    f"{who} opened their {what}"
    for who, things in {
        "students": ["books", "laptops", "minds", "exams"],
        "pupils": ["books", "laptops", "minds"],
        "scholars": ["books", "laptops"],
    }.items()
    for what in things
]
NETWORK = {"order": 5, "embedding_size": 16, "hidden_size": 32, "batch_size": 3, "epochs": 40, "threads": 1}


def main() -> None:
    """The main job from end to end."""
    text = Corpus.from_lines(LINES)
    window = nextword.train(text, kind="window", **NETWORK)
    counts = nextword.train(text, order=5, smoothing="witten-bell")
    unseen = Corpus.from_lines(["scholars opened their minds", "pupils opened their exams"])
    mixed = nextword.mix([window, counts], tune=unseen)
    with tempfile.TemporaryDirectory() as folder:
        mixed.save(f"{folder}/mixed")
        mixed = nextword.load(f"{folder}/mixed")
        for name, lm in {"window": window, "counts": counts, "mixed": mixed}.items():
            found = lm.next("scholars opened their", k=4)
            likely = "  ".join(f"{w} {p:.2f}" for w, p in zip(found.words, found.probabilities, strict=True))
            print(f"{name:7} scholars opened their …  {likely}")
        print(mixed.generate("scholars", seed=1)[0])


if __name__ == "__main__":
    main()
