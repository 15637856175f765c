"""How fast a large n-gram model scores text, beside KenLM in the same run.

    python benchmarks/queries.py                       the novels from $NEXTWORD_SHARED or ../shared
    python benchmarks/queries.py --text FILE           a text of one's own, one sentence a line, .gz or .zst too
    python benchmarks/queries.py --model DIR --binary FILE --test FILE     models and a text that are there already

Both are trained on nine lines in ten and score every tenth, once and then eight times over. KenLM's model is lmplz's,
as a probing binary, the faster of its kinds; ours is trained to give the same perplexity (``--like-lmplz``). "inside"
leaves out imports and loading, "outside" has them in; of the module only the calls of ``score`` count, kindest to it.
The models' files are in memory.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness import peers
from harness.answers import first_model, perplexity, query_summary
from harness.files import copy_text, count_tokens
from harness.setting import Setting, nextword, our_worker
from harness.tables import megabytes, show, speeds
from harness.timing import Run, alternate, command

from nextword.text.corpus import Corpus

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
NOVELS = SHARED / "data" / "novels" / "novels.txt.gz"
TIMES = 8
SCORE = "kenlm module, the calls of score, inside"
QUERY = "KenLM's query, outside"


def split(source: Path, work: Path) -> tuple[Path, Path]:
    """Every tenth line as ``test.txt``, the others as ``train.txt``; ``<unk>``, which lmplz refuses, as ``[UNK]``."""
    train, test = work / "train.txt", work / "test.txt"
    with train.open("wb") as most, test.open("wb") as tenth:
        number = 0
        for block in Corpus(source):
            for line in block.text.replace(b"<unk>", b"[UNK]").splitlines(keepends=True):
                number += 1
                (tenth if number % 10 == 0 else most).write(line)
    return train, test


def train_both(bench: Setting) -> None:
    """Our model of the training text, and KenLM's where its programs are."""
    run = command(bench.train_command(bench.model))
    print(f"nextword train: {run.seconds:.1f} s, peak memory {megabytes(run.peak)} MB", flush=True)
    if bench.peers.lmplz is None or bench.peers.build_binary is None:
        return
    run = command(bench.lmplz_command("--arpa", bench.arpa))
    print(f"lmplz to ARPA: {run.seconds:.1f} s, peak memory {megabytes(run.peak)} MB", flush=True)
    run = command([bench.peers.build_binary, "probing", bench.arpa, bench.work / "kenlm.binary"])
    print(f"build_binary probing: {run.seconds:.1f} s", flush=True)


def queries(bench: Setting, text: Path, title: str) -> None:
    """Raw file to perplexity, and lines to scores: tokens a second."""
    contenders: dict[str, Callable[[], Run]] = {}
    with our_worker() as worker, bench.kenlm_worker() as kenlm:
        for threads, name in ((2, "2 threads"), (1, "1 thread")):
            inside = partial(worker.run, model=bench.model, text=text, threads=threads)
            options = ["--text", text, "--threads", str(threads), "--json", "--quiet"]
            whole = [*nextword(), "evaluate", bench.model, *options]
            contenders[f"lm.evaluate(file), {name}, inside"] = partial(inside, "evaluate")
            contenders[f"lm.score_lines(list), {name}, inside"] = partial(inside, "score_lines")
            contenders[f"nextword evaluate, {name}, outside"] = partial(command, whole, parse=first_model)
        if kenlm:
            contenders[SCORE] = partial(kenlm.run, "evaluate", model=bench.binary, text=text)
        if bench.peers.query and bench.binary.exists():
            whole = [bench.peers.query, "-v", "summary", bench.binary]
            contenders[QUERY] = partial(command, whole, stdin=text, parse=query_summary)
        alternate(1, contenders)  # kernels and files are in memory
        runs = alternate(bench.rounds, contenders)
    if SCORE in runs:
        runs[SCORE] = [run._replace(seconds=run.answer["score_seconds"]) for run in runs[SCORE]]
    references = {name: column for name, column in ((SCORE, "score"), (QUERY, "query")) if name in runs}
    tokens = runs["lm.evaluate(file), 1 thread, inside"][0].answer["tokens"]
    header, rows = speeds(runs, tokens, references)
    for row, measured in zip(rows, runs.values(), strict=True):
        row.append(perplexity(measured[0]))
    show(f"{title}, {tokens:,} tokens", [*header, "perplexity"], rows)


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, metavar="FILE", default=NOVELS, help="the text (default: the novels)")
    parser.add_argument("--order", type=int, default=5, help="words per n-gram (KenLM's programs: mostly 6 at most)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs; 1 for a quick look")
    ready = parser.add_argument_group("models that are there already", "nothing is trained then")
    ready.add_argument("--model", type=Path, metavar="DIR", help="ours")
    ready.add_argument("--binary", type=Path, metavar="FILE", help="KenLM's")
    ready.add_argument("--test", type=Path, metavar="FILE", help="the text to score")
    peers.add_arguments(parser)
    given = parser.parse_args()
    if (given.model is None) != (given.test is None):
        parser.error("--model and --test go together")
    if given.model is None and not given.text.exists():
        parser.error(
            f"{given.text} is absent; give a text with --text, or say with NEXTWORD_SHARED where the novels are"
        )
    return given


def prepared(given: argparse.Namespace, work: Path) -> Setting:
    """Texts and models in the folder ``work``, or links there to those that are given."""
    train, test = (given.test, given.test) if given.test else split(given.text, work)
    long_test = copy_text(test, work / "long-test.txt", times=TIMES)
    bench = Setting(train, test, long_test, work, given.order, given.rounds, peers.find(given))
    if given.model is None:
        print(f"{given.text}: {count_tokens(train):,} tokens to train on; rounds {bench.rounds}", flush=True)
        train_both(bench)
        return bench
    bench.model.symlink_to(given.model.resolve(), target_is_directory=True)
    if given.binary:
        (work / "kenlm.binary").symlink_to(given.binary.resolve())
    return bench


def main() -> None:
    """Prepare texts and models, then print the tables."""
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="nextword-bench-") as folder:
        bench = prepared(given, Path(folder))
        queries(bench, bench.test, "The text once")
        queries(bench, bench.long_test, f"The text {TIMES} times over")


if __name__ == "__main__":
    main()
