"""Language identification: one character n-gram model a language, on held-out lines and on their beginnings.

    python benchmarks/languages.py                   texts from $NEXTWORD_SHARED or ../shared

Hausa, Shona and Swahili are news (VOA), Yoruba is news too (Global Voices, 600 lines in all), English is novels,
Spanish is Tatoeba's sentences. A line that occurs twice is kept once, and one that occurs in two languages is left out,
so that no line is in both the training and the test texts; a line without a letter is no language and is left out.
Nothing else is: lines of two words, names, and lines that are in another language than their file's stay. At most
--most lines of each language, drawn with the seed, of which a tenth is held out.
"""

import argparse
import gzip
import os
import random
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np
from harness.tables import show

from nextword.tasks.classify.ngram import NgramClassifier

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
BEGINNING = 20  # characters


def read_lines(data: Path) -> dict[str, list[str]]:
    """The lines of each language, as their files have them."""
    voa = data / "african-voa"
    with gzip.open(data / "novels" / "novels.txt.gz", "rt", encoding="utf-8") as file:
        novels = file.read()
    pairs = (data / "tatoeba-en-es" / "spa.txt").read_text(encoding="utf-8").splitlines()
    texts = {
        "hausa": (voa / "hausa.txt").read_text(encoding="utf-8"),
        "shona": (voa / "shona_10k.txt").read_text(encoding="utf-8").removeprefix("Text\n"),  # a table's header
        "swahili": (voa / "swahili.txt").read_text(encoding="utf-8"),
        "yoruba": (data / "yoruba-globalvoices" / "yoglobalvoices.txt").read_text(encoding="utf-8"),
        "english": novels,
        "spanish": "\n".join(pair.split("\t")[1] for pair in pairs),
    }
    return {language: text.split("\n") for language, text in texts.items()}


def distinct(lines: dict[str, list[str]]) -> dict[str, list[str]]:
    """Each line once, blanks made one, without those that have no letter or stand in two languages' files."""
    once = {language: {" ".join(line.split()): None for line in some} for language, some in lines.items()}
    where = Counter(line.casefold() for some in once.values() for line in {line.casefold() for line in some})
    return {
        language: [line for line in some if where[line.casefold()] == 1 and any(map(str.isalpha, line))]
        for language, some in once.items()
    }


def split(lines: dict[str, list[str]], seed: int, most: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of line and language to learn from, and a tenth to test on."""
    chance, train, test = random.Random(seed), [], []
    for language, some in lines.items():
        drawn = chance.sample(some, min(most, len(some)))
        held = len(drawn) // 10
        test += [(line, language) for line in drawn[:held]]
        train += [(line, language) for line in drawn[held:]]
    return train, test


def main() -> None:
    """Train and test with each seed; print the mean and the range, and the lines of the first seed that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--smoothing", default="modified-kneser-ney")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"{options.data} is absent; give the folder of african-voa, novels and the others with --data")
    lines = distinct(read_lines(options.data))
    counts: dict[str, int] = {}
    shares: dict[str, list[tuple[float, float]]] = {}  # of each seed: lines right, beginnings right
    wrong: list[str] = []
    for seed in range(options.seeds):
        train, test = split(lines, seed, options.most)
        begin, processor = time.perf_counter(), time.process_time()
        classifier = NgramClassifier(order=options.order, smoothing=options.smoothing, prior="uniform")
        classifier.fit([text for text, _ in train], [language for _, language in train])
        cost = f"{time.perf_counter() - begin:.1f} s ({time.process_time() - processor:.1f} s of the processor)"
        print(f"seed {seed}: {len(train):,} lines learnt in {cost}, {len(test):,} held out", flush=True)
        whole = classifier.predict([text for text, _ in test])
        beginning = classifier.predict([text[:BEGINNING] for text, _ in test])
        truth = np.array([language for _, language in test])
        for language in ["all", *lines]:
            chosen = (truth == language) | (language == "all")
            counts[language] = int(chosen.sum())
            right = [float((found[chosen] == truth[chosen]).mean()) for found in (whole, beginning)]
            shares.setdefault(language, []).append((right[0], right[1]))
        if seed == 0:
            found = zip(test, whole, strict=True)
            wrong = [f"{label}, taken for {taken}: {text[:100]!r}" for (text, label), taken in found if label != taken]
    rows = [
        [language, f"{counts[language]:,}", _spread([one[0] for one in some]), _spread([one[1] for one in some])]
        for language, some in shares.items()
    ]
    columns = ["", "held-out lines", "lines right", f"first {BEGINNING} characters right"]
    show(f"{options.order}-grams of characters, {options.seeds} seeds: mean and range", columns, rows)
    print("\nlines of seed 0 that went wrong:\n  " + "\n  ".join(wrong))


def _spread(values: list[float]) -> str:
    """Mean and range."""
    return f"{statistics.mean(values):.2%} ({min(values):.2%}-{max(values):.2%})"


if __name__ == "__main__":
    main()
