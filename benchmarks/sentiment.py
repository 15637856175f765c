"""Sentiment of sentences: networks beside the classical baselines, on SST-2 and on the MR polarity data.

    python benchmarks/sentiment.py --vectors glove.6B.50d.txt     both, from $NEXTWORD_SHARED or ../shared
    python benchmarks/sentiment.py --only sst2 --vectors glove.6B.50d.txt --encoder DIR --start LSTM_DIR
    python benchmarks/sentiment.py --only mr --methods cnn        one row of each kind

SST-2 is its sentences alone, 6,920/872/1,821, without the phrases on which published figures were also trained (Kim
2014: 82.7 with random vectors). Networks keep the weights that did best on the development part, by which options, here
and the usual ones of the classifiers, were chosen too. MR has no parts: ten folds as Kim had it, stratified and drawn
from a fixed seed, each time with a tenth of what is trained on held out to choose the weights by; its options are those
of SST-2. Both texts are cut into tokens already.

Vectors: ``benchmarks/harness/glove.py`` makes the file. Networks train on one thread; seconds are of the processor and,
in brackets, of the clock. What is absent (vectors, encoder, language model) is said to be, and left out.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from harness.tables import show
from sklearn.model_selection import StratifiedKFold

from nextword.tasks.classify.bow import BowClassifier
from nextword.tasks.classify.neural import CnnClassifier, RnnClassifier

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
NETWORK: dict[str, Any] = {"tokenizer": "whitespace", "threads": 1, "device": "cpu"}
WORDS = {"tokenizer": "whitespace"}
BAYES: dict[str, Any] = {**WORDS, "model": "naive-bayes", "features": "counts", "ngrams": 2, "presence": True}
LOGISTIC: dict[str, Any] = {**WORDS, "model": "logistic", "features": "tfidf"}


class Part(NamedTuple):
    """Texts and their labels."""

    texts: list[str]
    labels: list[str]

    def rows(self, chosen: Sequence[int]) -> "Part":
        """Some of them."""
        return Part([self.texts[i] for i in chosen], [self.labels[i] for i in chosen])


class Method(NamedTuple):
    """A row of the tables. make: its classifier, from a seed; seeded: whether the seed matters."""

    name: str
    make: Callable[[int], Any]
    seeded: bool


class Trial(NamedTuple):
    """One training: accuracies in per cent (valid: where one was measured) and seconds."""

    valid: float | None
    test: float
    cpu: float
    wall: float


def trial(classifier: Any, train: Part, test: Part, *, valid: Part | None = None) -> Trial:
    """Train and measure."""
    cpu, wall = time.process_time(), time.monotonic()
    classifier.fit(*train, valid=valid)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    found = None if valid is None else 100 * classifier.score(*valid)
    return Trial(found, 100 * classifier.score(*test), cpu, wall)


def row(name: str, trials: Sequence[Trial]) -> list[str]:
    """Means, with the standard deviation where there are several."""
    valid = [found.valid for found in trials if found.valid is not None]
    cpu, wall = (statistics.mean(getattr(found, kind) for found in trials) for kind in ("cpu", "wall"))
    return [name, spread(valid), spread([found.test for found in trials]), str(len(trials)), f"{cpu:.0f} ({wall:.0f})"]


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.2f}"


def methods(options: argparse.Namespace) -> list[Method]:
    """The rows that can be measured here; says which cannot."""
    found = [
        Method("bow: counts of 1- and 2-grams, naive Bayes", lambda seed: BowClassifier(**BAYES), False),
        Method("bow: TF-IDF, logistic regression", lambda seed: BowClassifier(**LOGISTIC), False),
        Method("cnn: random vectors", lambda seed: CnnClassifier(**NETWORK, seed=seed), True),
    ]
    if options.vectors:
        given: dict[str, Any] = {**NETWORK, "vectors": str(options.vectors)}
        found += [
            Method("cnn: given vectors, multichannel", lambda seed: CnnClassifier(**given, seed=seed), True),
            Method("rnn: given vectors, multichannel", lambda seed: RnnClassifier(**given, seed=seed), True),
        ]
    else:
        print("no word vectors: give a file with --vectors (harness/glove.py makes one)")
    if options.start:
        start: dict[str, Any] = {
            **NETWORK,
            "start": str(options.start),
            "vectors": options.vectors and str(options.vectors),
        }
        found.append(Method("rnn: begun as a language model", lambda seed: RnnClassifier(**start, seed=seed), True))
    if options.encoder:
        from nextword.tasks.classify.encoder import EncoderClassifier

        encoder: dict[str, Any] = {"encoder": str(options.encoder), "device": "cpu", "threads": 1}
        found.append(Method("encoder: mean pooling", lambda seed: EncoderClassifier(**encoder), False))
    else:
        print("no pretrained encoder: give a directory with --encoder")
    return [method for method in found if method.name.split(":")[0] in options.methods]


def sst2(folder: Path, chosen: Sequence[Method], seeds: int) -> None:
    """Train on the training part, keep what is best on the development part, measure on the test part."""
    parts = [_tsv(folder / f"{name}.tsv") for name in ("train", "dev", "test")]
    train, valid, test = parts
    print(f"\nSST-2: {len(train.texts):,} / {len(valid.texts):,} / {len(test.texts):,} sentences", flush=True)
    rows = []
    for method in chosen:
        trials = list[Trial]()
        for seed in range(seeds if method.seeded else 1):
            trials.append(trial(method.make(seed), train, test, valid=valid))
            print(f"  {method.name}, seed {seed}: {trials[-1].test:.2f}", flush=True)
        rows.append(row(method.name, trials))
    show("SST-2, accuracy in %", ["", "dev", "test", "seeds", "seconds to train"], rows)


def mr(folder: Path, chosen: Sequence[Method], folds: int) -> None:
    """Cross-validation."""
    kinds = {"pos": "1", "neg": "0"}
    lines = [(line, label) for kind, label in kinds.items() for line in _lines(folder / f"rt-polarity.{kind}")]
    data = Part([line for line, _ in lines], [label for _, label in lines])
    print(f"\nMR: {len(lines):,} sentences, {folds} folds", flush=True)
    rows = []
    for method in chosen:
        cut = StratifiedKFold(folds, shuffle=True, random_state=0).split(np.zeros(len(lines)), data.labels)
        trials = list[Trial]()
        for train, test in cut:
            trials.append(trial(method.make(0), data.rows(train), data.rows(test)))
            print(f"  {method.name}, fold {len(trials)}: {trials[-1].test:.2f}", flush=True)
        rows.append(row(method.name, trials))
    rows = [[name, test, count, seconds] for name, _, test, count, seconds in rows]
    show("MR polarity, accuracy in %", ["", "test", "folds", "seconds to train a fold"], rows)


def _tsv(file: Path) -> Part:
    pairs = [line.split("\t") for line in file.read_text(encoding="utf-8").split("\n") if line]
    return Part([text for text, _ in pairs], [label for _, label in pairs])


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="latin-1").split("\n") if line.strip()]


def main() -> None:
    """Measure all, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst2", type=Path, default=SHARED / "data" / "sst2", help="folder of train, dev and test.tsv")
    parser.add_argument(
        "--mr", type=Path, default=SHARED / "data" / "mr-polarity", help="folder of rt-polarity.pos, .neg"
    )
    parser.add_argument("--vectors", type=Path, help="GloVe 50d, or others, as a text file")
    parser.add_argument("--encoder", type=Path, help="the directory of a pretrained encoder")
    parser.add_argument("--start", type=Path, help="the directory of an LSTM or GRU language model of ours")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--only", choices=["sst2", "mr"])
    parser.add_argument("--methods", nargs="+", default=["bow", "cnn", "rnn", "encoder"])
    options = parser.parse_args()
    chosen = methods(options)
    for name, folder, measure, times in (
        ("sst2", options.sst2, sst2, options.seeds),
        ("mr", options.mr, mr, options.folds),
    ):
        if options.only in (None, name):
            if not folder.exists():
                raise SystemExit(f"{folder} is absent; name the folder of the data with --{name}")
            measure(folder, chosen, times)


if __name__ == "__main__":
    main()
