"""How fast the drop-in for KenLM's Python module is, beside that module in the same run.

    python benchmarks/kenlm_module.py                           WikiText-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/kenlm_module.py --train FILE --test FILE  a text of one's own, one sentence a line
    python benchmarks/kenlm_module.py --arpa FILE --test FILE   a model of one's own

Two processes take turns, round by round: KenLM's module on its binary files (on the ARPA file without
``build_binary``), and ours on a model directory, on the ARPA file and on the same binary files. All hold one model, and
the sums of all scores must be equal. Loading is from ``Model(path)`` to the first score, files in the page cache.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness import peers
from harness.files import copy_text
from harness.setting import HERE, nextword
from harness.tables import ratio, show
from harness.timing import Worker, alternate, command, median

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WIKITEXT = SHARED / "data" / "wikitext-2"
SLOW = "kenlm module, ARPA"  # once loaded it is the probing file
CALLS = {
    "score": "score(sentence)",
    "full_scores": "full_scores(sentence)",
    "base_score": "BaseScore(state, word, out)",
}


class Contender(NamedTuple):
    """worker: a process with KenLM's module or ours. references: it is compared with the first that is measured."""

    worker: Worker
    path: Path
    references: tuple[str, ...]


def main() -> None:
    """Make or find the models, then measure each call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=WIKITEXT / "train.txt")
    parser.add_argument("--test", type=Path, default=WIKITEXT / "test.txt")
    parser.add_argument("--arpa", type=Path, help="a model to use in place of one of --train")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    peers.add_arguments(parser)
    options = parser.parse_args()
    found = peers.find(options)
    if found.module is None:
        raise SystemExit("KenLM's Python module is nowhere; see --kenlm")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        test = copy_text(options.test, work / "test.txt")
        models = make_models(work, options, found)
        theirs = Worker([found.module, HERE / "kenlm_module_worker.py"])
        ours = Worker([sys.executable, HERE / "kenlm_module_worker.py", "ours"])
        with theirs, ours:
            contenders = pair(models, theirs, ours)
            requests = {"text": str(test), "sentences": options.sentences}
            for call, title in CALLS.items():
                warm = {name: one for name, one in contenders.items() if name != SLOW or "probing" not in models}
                measure(title, call, requests, warm, options.rounds, size(test, options.sentences))
            measure("Loading", "load", {"sentence": "of the"}, contenders, options.rounds, (1, 1))


def make_models(work: Path, options: argparse.Namespace, found: peers.Peers) -> dict[str, Path]:
    """Our directory, an ARPA file and KenLM's binary files of one model."""
    arpa, directory = options.arpa or work / "model.arpa", work / "model"
    if options.arpa is None:
        text = copy_text(options.train, work / "train.txt")
        settings = ["--order", str(options.order), "--like-lmplz", "--quiet"]
        command([*nextword(), "train", "ngram", text, "--out", directory, *settings])
        command([*nextword(), "convert", directory, arpa])
    else:
        command([*nextword(), "convert", arpa, directory])
    models = {"directory": directory, "ARPA": arpa}
    if found.build_binary:
        for kind in ("probing", "trie"):
            command([found.build_binary, "-T", work / "trie", kind, arpa, work / kind])
            models[kind] = work / kind
    return models


def pair(models: dict[str, Path], theirs: Worker, ours: Worker) -> dict[str, Contender]:
    """KenLM's module on what it can open, and ours on everything."""
    names = {kind: f"kenlm module, {kind}" for kind in models if kind != "directory"}
    contenders = {name: Contender(theirs, models[kind], (name,)) for kind, name in names.items()}
    best = names.get("probing", names["ARPA"])
    for kind, path in models.items():
        contenders[f"nextword, {kind}"] = Contender(ours, path, (names.get(kind, best), best))
    return contenders


def size(test: Path, sentences: int) -> tuple[int, int]:
    """Sentences of the test text, and their words and ends."""
    with test.open(encoding="utf-8") as lines:
        lengths = [len(line.split()) + 1 for line, _ in zip(lines, range(sentences), strict=False)]
    return len(lengths), sum(lengths)


def measure(
    title: str,
    call: str,
    request: dict[str, Any],
    contenders: dict[str, Contender],
    rounds: int,
    sizes: tuple[int, int],
) -> None:
    """One table: every contender once unmeasured, then in turns."""
    calls = {name: partial(one.worker.run, call, model=str(one.path), **request) for name, one in contenders.items()}
    for once in calls.values():
        once()
    runs = alternate(rounds, calls)
    sums = {measured[0].answer["log10"] for measured in runs.values()}
    if len(sums) > 1:
        raise SystemExit(f"{title}: the scores differ: {sums}")
    sentences, tokens = sizes
    rows = []
    for name, measured in runs.items():
        seconds = median(measured)
        each = [f"{seconds / tokens * 1e9:,.0f}", f"{tokens / seconds / 1e6:.2f}"] if tokens > 1 else []
        reference = next(other for other in contenders[name].references if other in runs)
        rows.append([name, f"{seconds / sentences * 1e6:,.2f}", *each, ratio(runs[reference], measured)])
    columns = ["µs/sentence", "ns/token", "M tokens/s"] if tokens > 1 else ["µs"]
    heading = f"{title}: {sentences:,} sentences, {tokens:,} tokens" if tokens > 1 else title
    show(heading, ["", *columns, "speed / kenlm"], rows)


if __name__ == "__main__":
    main()
