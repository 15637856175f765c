"""Bytes per n-gram, perplexity and speed of quantised n-gram models, beside KenLM's probing and trie models.

    python benchmarks/size.py                            WikiText-2's 5-gram, or the prose that Python carries
    python benchmarks/size.py --train FILE --test FILE   another text
    PEER=folder python benchmarks/size.py                with KenLM's build_binary and module, see README.md

Bytes are those of whole model directories, vocabulary and configuration included, and of KenLM's binary files. KenLM's
models are made of our model's own ARPA file, so that they hold the same numbers; rows of its quantised ones are not
made to sum to 1, ours are or say how far from it they are. Contenders take turns, on one thread, over the test text
several times; KenLM's figure is the sum of its module's calls of ``score``.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from harness import peers
from harness.files import copy_text, count_tokens
from harness.peers import Peers
from harness.setting import HERE, nextword, our_worker
from harness.tables import ratio, show
from harness.timing import Run, Worker, alternate, command, median

import nextword as library
from nextword import store
from nextword.text.embedded import embedded_sentences

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WIKITEXT = SHARED / "data" / "wikitext-2"
TIMES = 10  # how often the test text stands in the text that speed is measured on
FULL = "nextword, as trained"
OURS = {  # name: options of nextword quantize
    "hash": ["--layout", "hash"],
    "hash --bits 8": ["--layout", "hash", "--bits", "8"],
    "trie --bits 8, the default": [],
    "trie --bits 8 --backoff-bits 8": ["--backoff-bits", "8"],
    "trie --bits 7": ["--bits", "7"],
    "trie --bits 6": ["--bits", "6"],
    "trie --bits 5": ["--bits", "5"],
    "trie --bits 4": ["--bits", "4"],
}
THEIRS = {  # name: arguments of build_binary
    "KenLM probing": ["probing"],
    "KenLM trie": ["trie"],
    "KenLM trie -a 22 -q 8 -b 8": ["-a", "22", "-q", "8", "-b", "8", "trie"],
}
SMALLEST = "KenLM trie -a 22 -q 8 -b 8"


class Model(NamedTuple):
    """A model to be measured. measure: scores a text, given its path."""

    path: Path
    size: int
    made: Run
    measure: Callable[[Path], Run]


def our_models(work: Path, order: int, train: Path, worker: Worker) -> dict[str, Model]:
    """The model, and what quantising makes of it."""
    full, models = work / "full", {}
    settings = ["--order", str(order), "--like-lmplz", "--discount-fallback", "--quiet"]
    command([*nextword(), "train", "ngram", train, "--out", full, *settings])  # compiles what is not compiled yet
    for name, options in {FULL: [], **OURS}.items():
        path = full if name == FULL else work / name.replace(" ", "_").replace("--", "").replace(",", "")
        quantize = [*nextword(), "quantize", full, "--out", path, *options, "--quiet"]
        made = command([*nextword(), "train", "ngram", train, "--out", full, *settings] if name == FULL else quantize)
        if name == "hash":
            made = command(quantize)  # the first paid for the compiler
        evaluate = partial(worker.run, "evaluate", model=path, threads=1)
        models[name] = Model(path, store.size(path), made, lambda text, run=evaluate: run(text=text))
    return models


def their_models(work: Path, arpa: Path, found: Peers, worker: Worker | None) -> dict[str, Model]:
    """KenLM's, of the same numbers."""
    models = {}
    for name, options in THEIRS.items() if found.build_binary else ():
        path = work / f"{name.replace(' ', '_')}.binary"
        made = command([found.build_binary, *options[:-1], "-T", work / "build-", options[-1], arpa, path])

        def measure(text: Path, path: Path = path) -> Run:
            assert worker is not None
            run = worker.run("evaluate", model=path, text=text)
            return Run(run.answer["score_seconds"], answer=run.answer)

        models[name] = Model(path, path.stat().st_size, made, measure)
    return models


def table(models: dict[str, Model], measured: dict[str, list[Run]], once: dict[str, Run], ngrams: int) -> None:
    """Sizes, what they cost in perplexity, and speed."""
    rows = []
    perplexity = {name: run.answer["perplexity"] for name, run in once.items()}
    tokens = measured[FULL][0].answer["tokens"]
    for name, model in models.items():
        off = getattr(library.load(model.path).model, "tolerance", None) if model.path.is_dir() else None
        row = [name, f"{model.size / 1e6:,.1f}", f"{model.size / ngrams:.2f}"]
        row.append(f"{model.size / models[SMALLEST].size:.2f}" if SMALLEST in models else "-")
        if name in perplexity:
            row += [f"{perplexity[name]:.2f}", f"{perplexity[name] / perplexity[FULL] - 1:+.3%}"]
            row += ["-" if off is None else f"{off:.0e}", f"{tokens / median(measured[name]) / 1e6:.2f}"]
            row.append(ratio(measured[FULL], measured[name]))
        else:
            row += ["-"] * 5
        rows.append(row)
    header = ["", "MB", "bytes/n-gram", "/ KenLM's least", "perplexity", "change", "rows sum to 1 within"]
    show(f"Size: {ngrams:,} n-grams", [*header, "M tokens/s", f"speed / {FULL}"], rows)


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, metavar="FILE", help="training text (default: WikiText-2's)")
    parser.add_argument("--test", type=Path, metavar="FILE", help="test text (default: WikiText-2's)")
    parser.add_argument("--order", type=int, default=5, help="words per n-gram, at most 6 beside KenLM's programs")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs; 1 for a quick look")
    parser.add_argument("--times", type=int, default=TIMES, help="test texts in a run")
    peers.add_arguments(parser)
    given = parser.parse_args()
    if (given.train is None) != (given.test is None):
        parser.error("--train and --test go together")
    return given


def texts(given: argparse.Namespace, work: Path) -> tuple[Path, Path]:
    """Training and test text, without a literal ``<unk>``."""
    if given.train is None and not WIKITEXT.exists():
        print(
            f"WikiText-2 is not in {WIKITEXT} (NEXTWORD_SHARED says where): Python's own documentation stands in for it"
        )
        sentences = embedded_sentences()
        for name, lines in (("train.txt", sentences[:-250]), ("test.txt", sentences[-250:])):
            (work / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return work / "train.txt", work / "test.txt"
    train, test = (given.train, given.test) if given.train else (WIKITEXT / "train.txt", WIKITEXT / "test.txt")
    return copy_text(train, work / "train.txt"), copy_text(test, work / "test.txt")


def main() -> None:
    """Make all models, measure them by turns, and print two tables."""
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="nextword-bench-") as folder, our_worker() as worker:
        work = Path(folder)
        train, test = texts(given, work)
        long_test = copy_text(test, work / "long-test.txt", times=given.times)
        found = peers.find(given)
        models = our_models(work, given.order, train, worker)
        arpa = work / "full.arpa"
        if found.build_binary:
            command([*nextword(), "convert", models[FULL].path, arpa, "--quiet"])
        kenlm = Worker([found.module, HERE / "kenlm_worker.py"]) if found.module and found.build_binary else None
        models |= their_models(work, arpa, found, kenlm)
        able = {name: model for name, model in models.items() if model.path.is_dir() or kenlm}
        once = {name: model.measure(test) for name, model in able.items()}
        measured = alternate(given.rounds, {name: partial(model.measure, long_test) for name, model in able.items()})
        print(f"{given.train or 'WikiText-2'}: order {given.order}, {count_tokens(test):,} tokens in the test text")
        table(models, measured, once, len(library.load(models[FULL].path).model))
        rows = [[name, f"{model.made.seconds:.1f}", f"{model.made.peak / 1e6:,.0f}"] for name, model in models.items()]
        show("Making them: the whole command, outside", ["", "seconds", "peak resident MB"], rows)
        if kenlm:
            kenlm.__exit__()


if __name__ == "__main__":
    main()
