"""Parts of speech of UD English EWT, and entities of WNUT-17: accuracy and F1 beside training time.

    python benchmarks/tagging.py --vectors glove.6B.50d.txt          both, three seeds each; without vectors as well
    python benchmarks/tagging.py --only ewt --seeds 1
    python benchmarks/tagging.py --only ewt --jackknife tagged.conllu --vectors glove.6B.50d.txt

Data: $NEXTWORD_SHARED or ../shared, data/ud-english-ewt and data/wnut17. The vectors are a text file such as
harness/glove.py writes; of it, the words of the data alone are read, in every form in which they are looked up, which
changes no figure. Weights are kept by the development text (accuracy, entities' F1), and so were the settings chosen.
Seconds are those of one thread; "cpu" is processor time, which other programs on the machine do not stretch.
F1 is conlleval's; "surface" counts each distinct pair of an entity's words and type once, as the shared task did.

--jackknife writes the training treebank with tags predicted by models that have not seen them, each trained on the
other three quarters: what a parser should be trained on that will read predicted tags.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.tables import show

from nextword.neural.embeddings import read_embeddings, write_embeddings
from nextword.tasks.tag.encode import forms, pieces
from nextword.tasks.tag.files import TagFile, read_tag_file
from nextword.tasks.tag.score import TagScores
from nextword.tasks.tag.tagger import Tagger

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
FILES = {
    "ewt": ("ud-english-ewt", "en_ewt-ud-{}.conllu", ("train", "dev", "test")),
    "wnut": ("wnut17", "{}", ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")),
}
EWT: dict[str, Any] = {"epochs": 6, "embedding_size": 64}
WNUT: dict[str, Any] = {
    "epochs": 15, "lr": 0.01, "hidden_size": 160, "dropout": 0.4, "character_features": 32, "tune_outside": True,
    "training": {"ema": 0.99},
}  # fmt: skip
# Entities of the test text are new ones: embeddings learned from the training text have little to say of them.
WNUT_PLAIN, WNUT_VECTORS = {"embedding_size": 50, "word_dropout": 0.5}, {"embedding_size": 0}
NETWORKS: dict[str, dict[str, Any]] = {
    "window, softmax": {"network": "window", "output": "softmax"},
    "BiLSTM, softmax": {"network": "bilstm", "output": "softmax"},
    "BiLSTM, CRF": {"network": "bilstm", "output": "crf"},
}
FOLDS = 4
QUICK: dict[str, Any] = EWT | {"network": "window", "epochs": 3}  # FOLDS of them are trained


class Outcome(NamedTuple):
    """One trained tagger's scores and cost."""

    dev: TagScores
    test: TagScores
    seconds: float
    cpu: float


def read(data: Path, name: str) -> list[TagFile]:
    """Training, development and test sentences."""
    folder, pattern, parts = FILES[name]
    paths = [data / folder / pattern.format(part) for part in parts]
    if not all(path.exists() for path in paths):
        raise SystemExit(f"{paths[0]} or its siblings are absent; name the folder that has {folder} with --data")
    return [read_tag_file(path) for path in paths]


def reduced(vectors: Path, files: Iterable[TagFile], work: Path) -> Path:
    """A file of those vectors that the data can ask for."""
    words = {word for file in files for sentence in file.tokens for word in sentence}
    words |= {piece for word in words for piece in pieces(word)}
    found = read_embeddings(vectors, only={form for word in words for form in forms(word)})
    write_embeddings(work / "vectors.txt", *found)
    return work / "vectors.txt"


def fit(files: Sequence[TagFile], seed: int, settings: dict[str, Any], device: str) -> Outcome:
    """Train, and score both other texts."""
    train, dev, test = files
    begun, cpu = time.perf_counter(), time.process_time()
    training = {"precision": "float32", **settings.get("training", {})}
    tagger = Tagger(**settings | {"seed": seed, "threads": 1, "device": device, "training": training})
    tagger.fit(train.tokens, train.tags(), valid=(dev.tokens, dev.tags()))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    scores = [tagger.evaluate(file.tokens, file.tags()) for file in (dev, test)]
    print(f"  seed {seed}: dev {scores[0].figure:.2%}, test {scores[1].figure:.2%}, {cpu:.0f} s of cpu", flush=True)
    return Outcome(*scores, seconds, cpu)


def spread(values: Sequence[float], scale: float = 100, digits: int = 2) -> str:
    """Mean, and of several the standard deviation."""
    mean = f"{scale * statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {scale * statistics.stdev(values):.{digits}f}"


def costs(runs: Sequence[Outcome]) -> list[str]:
    """Seconds of training, by the clock and of the processor."""
    return [spread([run.seconds for run in runs], 1, 0), spread([run.cpu for run in runs], 1, 0)]


def ewt(files: Sequence[TagFile], kinds: dict[str, dict[str, Any]], seeds: int, device: str) -> None:
    """Parts of speech."""
    rows = []
    for title, given in kinds.items():
        print(f"BiLSTM, softmax, {title}", flush=True)
        runs = [fit(files, seed, EWT | given, device) for seed in range(1, seeds + 1)]
        unknown = [run.test.unknown_accuracy or 0.0 for run in runs]
        figures = [spread([run.dev.accuracy for run in runs]), spread([run.test.accuracy for run in runs])]
        rows.append([f"BiLSTM, softmax, {title}", *figures, spread(unknown), *costs(runs)])
    header = ["UPOS accuracy, gold tokens", "dev", "test", "test, unknown words", "seconds", "cpu"]
    show("UD English EWT (UDPipe 1.2, on an older release: 94.4)", header, rows)


def wnut(
    files: Sequence[TagFile], kinds: dict[str, dict[str, Any]], seeds: int, device: str, networks: str = ""
) -> None:
    """Entities, by the networks whose names hold ``networks``."""
    rows = []
    for title, given in kinds.items():
        for name, network in NETWORKS.items():
            if networks not in name:
                continue
            print(f"{name}, {title}", flush=True)
            own = WNUT_VECTORS if given else WNUT_PLAIN
            runs = [fit(files, seed, WNUT | own | given | network, device) for seed in range(1, seeds + 1)]
            found = [run.test.entities for run in runs if run.test.entities is not None]
            figures = [
                spread([run.dev.figure for run in runs]),
                spread([one.f1 for one in found]),
                spread([one.precision for one in found]),
                spread([one.recall for one in found]),
                spread([run.test.surface.f1 for run in runs if run.test.surface is not None]),
            ]
            rows.append([f"{name}, {title}", *figures, *costs(runs)])
    header = ["entities' F1", "dev", "test", "precision", "recall", "surface", "seconds", "cpu"]
    show("WNUT-17", header, rows)


def jackknife(file: TagFile, settings: dict[str, Any], out: Path, device: str) -> None:
    """Write the training sentences with tags of taggers that have not seen them."""
    gold = file.tags()
    tags: list[list[str]] = [[] for _ in gold]
    for fold in range(FOLDS):
        known = [i for i in range(len(gold)) if i % FOLDS != fold]
        tagger = Tagger(**settings, seed=fold, threads=1, device=device, training={"precision": "float32"})
        tagger.fit([file.tokens[i] for i in known], [gold[i] for i in known])
        rest = range(fold, len(gold), FOLDS)
        for i, row in zip(rest, tagger.predict([file.tokens[i] for i in rest]), strict=True):
            tags[i] = row
    with out.open("w", encoding="utf-8", newline="\n") as written:
        written.writelines(file.lines(tags))
    right = sum(a == b for one, other in zip(tags, gold, strict=True) for a, b in zip(one, other, strict=True))
    print(f"{out}: {len(tags):,} sentences, accuracy {right / sum(map(len, gold)):.2%}")


def main() -> None:
    """Train all, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--vectors", type=Path, help="GloVe's 50-dimensional vectors as a text file")
    parser.add_argument("--only", choices=tuple(FILES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--words", choices=("plain", "vectors", "both"), default="both", help="without and with vectors"
    )
    parser.add_argument("--networks", default="", help="of WNUT-17, those whose names hold this, such as CRF")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jackknife", type=Path, metavar="OUT", help="write EWT's training part with predicted tags")
    options = parser.parse_args()
    if options.vectors is None:
        print("no --vectors: all is done without word vectors alone")
    with tempfile.TemporaryDirectory() as work:
        for name in FILES:
            if options.only not in (None, name):
                continue
            files = read(options.data, name)
            kinds: dict[str, dict[str, Any]] = {"no vectors": {}} if options.words != "vectors" else {}
            if options.vectors is not None and options.words != "plain":
                kinds["GloVe 50d"] = {"vectors": reduced(options.vectors, files, Path(work))}
            if options.jackknife is not None and name == "ewt":
                jackknife(files[0], QUICK | list(kinds.values())[-1], options.jackknife, options.device)
            elif name == "ewt":
                ewt(files, kinds, options.seeds, options.device)
            else:
                wnut(files, kinds, options.seeds, options.device, options.networks)


if __name__ == "__main__":
    main()
