"""What pruning costs and gives: perplexity by the number of n-grams, seconds, memory; and how fast overlaps are found.

    python benchmarks/pruning.py                        WikiText-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/pruning.py --train FILE --test FILE --sizes 20M 50M

By relative entropy with each kind of history, and by counts in training, models of the same sizes on disk. Times are of
whole commands, from outside, kernels compiled beforehand.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

from harness.setting import nextword
from harness.tables import megabytes, show
from harness.timing import Json, Run, command

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WIKITEXT = SHARED / "data" / "wikitext-2"
CUTOFFS = ("0 0 1", "0 0 1 2", "0 1", "0 1 2")


def run(*words: str | Path) -> Run:
    """A command of ours that answers in JSON."""
    return command([*nextword(), *words, "--json", "--quiet"], parse=json.loads)


def perplexity(model: Path, test: Path) -> float:
    """Of the test text."""
    found: Json = run("evaluate", model, "--text", test).answer
    return float(found["models"][0]["perplexity"])


def sizes_and_perplexities(work: Path, test: Path, train: Path, order: int, sizes: list[str]) -> None:
    """A row for each way to prune, a column for each size."""
    histories = {"stationary": "stationary", "product": "product", "Witten-Bell's": str(work / "history")}
    settings = ["--order", str(order), "--out", work / "history", "--smoothing", "witten-bell", "--quiet"]
    command([*nextword(), "train", "ngram", train, *settings])
    rows, times = [], []
    for name, history in histories.items():
        row = [f"history: {name}"]
        for size in sizes:
            pruned = run("prune", work / "model", "--target-size", size, "--history", history, "--out", work / "small")
            row.append(f"{perplexity(work / 'small', test):.2f}")
        times.append([name, f"{pruned.seconds:.2f}", megabytes(pruned.peak)])
        rows.append(row)
    whole = sum(file.stat().st_size for file in (work / "model").iterdir())
    title = f"Perplexity by size on disk; unpruned {perplexity(work / 'model', test):.2f} in {megabytes(whole)} MB"
    show(title, ["", *sizes], rows)
    show("One nextword prune", ["history", "seconds", "peak MB"], times)


def cutoffs(work: Path, test: Path, train: Path, order: int) -> None:
    """By counts, and by entropy to the very size that this gave."""
    rows = []
    for cutoff in CUTOFFS:
        given = ["--order", str(order), "--out", work / "cut", "--prune", cutoff, "--quiet"]
        command([*nextword(), "train", "ngram", train, *given])
        size = sum(file.stat().st_size for file in (work / "cut").iterdir())
        run("prune", work / "model", "--target-size", str(size), "--out", work / "small")
        found = [f"{perplexity(work / name, test):.2f}" for name in ("cut", "small")]
        rows.append([f"--prune {cutoff}", megabytes(size), *found])
    show("By counts and by entropy, to the same size", ["", "MB", "by counts", "by entropy"], rows)


def overlaps(train: Path, test: Path, threads: list[int]) -> None:
    """Whole commands."""
    rows = []
    for n in threads:
        found = run("overlap", train, test, "-n", "8,13", "--show", "0", "--threads", str(n))
        speed = train.stat().st_size / found.seconds / 1e6
        share = found.answer["ngrams"][0]["share"]
        rows.append([f"{n}", f"{found.seconds:.2f}", f"{speed:.0f}", megabytes(found.peak), f"{share:.3%}"])
    title = f"nextword overlap of {megabytes(train.stat().st_size)} MB with {megabytes(test.stat().st_size)} MB"
    show(title, ["threads", "seconds", "MB/s", "peak MB", "8-grams shared"], rows)


def main() -> None:
    """Run all, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=WIKITEXT / "train.txt")
    parser.add_argument("--test", type=Path, default=WIKITEXT / "test.txt")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", default=["60M", "35M", "20M", "10M", "6M"], help="of directories")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--work", type=Path, help="a folder for what is made (default: a temporary one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        work = Path(folder)
        train = ["--order", str(given.order), "--out", work / "model", "--quiet"]
        command([*nextword(), "train", "ngram", given.train, *train])
        command([*nextword(), "prune", work / "model", "--entropy", "1e-6", "--out", work / "small", "--quiet"])
        sizes_and_perplexities(work, given.test, given.train, given.order, given.sizes)
        cutoffs(work, given.test, given.train, given.order)
        overlaps(given.train, given.test, given.threads)


if __name__ == "__main__":
    main()
