"""Train a model on a few lines, save it, load it, and use it.

Run: python examples/quickstart.py
"""

import tempfile

import nextword
from nextword import Corpus, Smoothing

LINES = [
    "students opened their books",
    "students opened their laptops",
    "students opened their minds",
    "the pupils opened their books",
]


def main() -> None:
    """The main job from end to end."""
    lm = nextword.train(Corpus.from_lines(LINES), order=3, smoothing=Smoothing("witten-bell"))
    with tempfile.TemporaryDirectory() as folder:
        lm.save(f"{folder}/students")
        lm = nextword.load(f"{folder}/students")
        found = lm.next("students opened their", k=3)
        for word, probability in zip(found.words, found.probabilities, strict=True):
            print(f"students opened their {word:8} {probability:.3f}")
        print(f"perplexity of a sentence it has not seen: {lm.perplexity('the students opened their books'):.2f}")
        print(lm.generate("students", seed=1)[0])


if __name__ == "__main__":
    main()
