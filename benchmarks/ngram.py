"""How fast n-gram models are made and used, and at what memory, beside KenLM in the same run.

    python benchmarks/ngram.py                                  WikiText-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/ngram.py --train FILE --test FILE         a text of one's own, one sentence a line
    python benchmarks/ngram.py --kenlm PYTHON --lmplz FILE      where KenLM is; see --help

Ours and the peer take turns, round by round; a figure is the median of the rounds, a ratio the median of the rounds'
ratios, with their range. "outside" is a whole command, from before its start until it has ended, interpreter and
imports included; "inside" is timed within a process that has done the same before. Kernels are compiled beforehand.
"""

import argparse
import json
import os
import random
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from harness import peers
from harness.answers import first_model, perplexity, query_summary
from harness.files import copy_text, count_tokens, drop_from_cache, snapshot
from harness.setting import Setting, nextword, our_worker
from harness.tables import megabytes, ratio, show, speeds, spread
from harness.timing import Run, alternate, command

from nextword.text.embedded import embedded_sentences

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WIKITEXT = SHARED / "data" / "wikitext-2"
TIMES = 40  # how often the test text is repeated for evaluation
KNOWN = {"dropped": "224.81 over 244,102", "kept": "220.14 over 245,569"}  # KenLM's, of WikiText-2 at order 5


def training(bench: Setting) -> None:
    """Text to saved model: tokens a second and peak memory."""
    ours, arpa, other = (
        "nextword.train(...).save(...), inside",
        f"lmplz -S {peers.MEMORY} to ARPA, outside",
        f"lmplz -S {peers.MEMORY} --intermediate, outside",
    )
    with our_worker() as worker:
        train = partial(worker.run, "train", text=bench.train, out=bench.model, order=bench.order)
        train()
        outside = partial(command, bench.train_command(bench.work / "again"))
        contenders: dict[str, Callable[[], Run]] = {ours: train, "nextword train ngram, outside": outside}
        if bench.peers.lmplz:
            contenders[arpa] = partial(command, bench.lmplz_command("--arpa", bench.arpa))
            contenders[other] = partial(command, bench.lmplz_command("--intermediate", bench.work / "intermediate"))
        runs = alternate(bench.rounds, contenders)
    if bench.peers.build_binary and bench.arpa.exists():
        command([bench.peers.build_binary, "probing", bench.arpa, bench.work / "kenlm.binary"])
    if bench.peers.module and not bench.arpa.exists():
        command([*nextword(), "convert", bench.model, bench.arpa])  # so that the module can do without lmplz
    references = {arpa: "lmplz to ARPA", other: "lmplz without"} if bench.peers.lmplz else {}
    tokens = count_tokens(bench.train)
    title = f"Training: order {bench.order} modified Kneser-Ney, {tokens:,} tokens"
    show(title, *speeds(runs, tokens, references, peak=True))


def evaluation(bench: Setting) -> None:
    """Raw file to perplexity: tokens a second."""
    outside, inside = f"kenlm module, {bench.binary.name}, outside", "kenlm module, inside, load excluded"
    contenders: dict[str, Callable[[], Run]] = {}
    with our_worker() as worker, bench.kenlm_worker() as kenlm:
        worker.run("evaluate", model=bench.model, text=bench.test, threads=2)
        for threads, name in ((2, "2 threads"), (1, "1 thread")):
            evaluate = partial(worker.run, "evaluate", model=bench.model, text=bench.long_test, threads=threads)
            options = ["--text", bench.long_test, "--threads", str(threads), "--json", "--quiet"]
            whole = [*nextword(), "evaluate", bench.model, *options]
            contenders[f"nextword evaluate, {name}, outside"] = partial(command, whole, parse=first_model)
            contenders[f"lm.evaluate, {name}, inside, load excluded"] = evaluate
        if kenlm:
            kenlm.run("evaluate", model=bench.binary, text=bench.test)
            whole = bench.kenlm_command(bench.binary, bench.long_test)
            contenders[outside] = partial(command, whole, parse=json.loads)
            contenders[inside] = partial(kenlm.run, "evaluate", model=bench.binary, text=bench.long_test)
        if bench.peers.query and bench.binary.exists():
            whole = [bench.peers.query, "-v", "summary", bench.binary]
            contenders["KenLM's query, outside"] = partial(command, whole, stdin=bench.long_test, parse=query_summary)
        runs = alternate(bench.rounds, contenders)
    references = {}
    if outside in runs:  # the calls of score alone, kindest to the peer: no load, no counting of tokens, no perplexity
        runs["  of the module's, the calls of score"] = [Run(run.answer["score_seconds"]) for run in runs[inside]]
        references = {outside: "module, outside", inside: "module, inside"}
    tokens = runs["nextword evaluate, 1 thread, outside"][0].answer["tokens"]
    header, rows = speeds(runs, tokens, references)
    for row, measured in zip(rows, runs.values(), strict=True):
        row.append(perplexity(measured[0]))
    title = f"Evaluation: raw file to perplexity, the test text {TIMES} times over, {tokens:,} tokens"
    show(title, [*header, "perplexity"], rows)


def next_words(bench: Setting) -> None:
    """The whole next-word distribution, and the ten likeliest words."""
    lines = [line.split() for line in bench.test.read_text(encoding="utf-8").splitlines()]
    places = [(line, i) for line in lines for i in range(4, len(line))]
    contexts = [" ".join(line[i - 4 : i]) for line, i in random.Random(0).sample(places, min(len(places), 400))]
    words = bench.work / "words.txt"
    with our_worker() as worker, bench.kenlm_worker() as kenlm:
        size = worker.run("words", model=bench.model, out=words).answer["words"]
        ask = partial(worker.run, "next", model=bench.model, k=10)
        ask(contexts=contexts[:3])
        contenders = {"lm.next(context), top 10": partial(ask, contexts=contexts)}
        if kenlm:
            slow = partial(kenlm.run, "next", model=bench.binary, contexts=contexts[:5], words=words, k=10)
            contenders["kenlm module, one BaseScore a word, top 10"] = slow
        runs = alternate(bench.rounds, contenders)
    ours, *theirs = runs.values()
    runs["  of ours, all V log-probabilities"] = [Run(run.answer["distribution_seconds"]) for run in ours]
    rows = [[name, *spread(r, 1e6, 0), ratio(theirs[0], r) if theirs else "-"] for name, r in runs.items()]
    title = f"Next word: V = {size:,}, medians over {len(contexts)} contexts of the test text, inside"
    show(title, ["", "µs", "range", "speed / kenlm module"], rows)
    if theirs:
        tops = zip(ours[0].answer["tops"], theirs[0][0].answer["tops"], strict=False)
        apart = max(abs(a - b) for mine, other in tops for a, b in zip(mine, other, strict=True))
        print(f"\n  The log-probabilities of their top tens differ by at most {apart:.1e} nats.")


def loading(bench: Setting, models: Mapping[str, Path]) -> None:
    """From ``load`` to the first probability. models: what they are called, and where they are."""
    rows = []
    with our_worker() as worker, bench.kenlm_worker() as kenlm:
        sentence = "students opened their books"
        for name, model in models.items():
            load = partial(worker.run, "load", model=model, sentence=sentence)
            load()
            states = {"in memory": [load() for _ in range(4 * bench.rounds)]}
            states["dropped from memory"] = [load() for _ in range(4 * bench.rounds) if drop_from_cache(model)]
            size = megabytes(sum(file.stat().st_size for file in model.iterdir()))
            for state, runs in states.items():
                row = [f"nextword.load, {name}", f"{load().answer['ngrams']:,}", size, state]
                rows += [[*row, *spread(runs, 1e3, 1)]] if runs else []
        if kenlm:
            runs = [kenlm.run("load", model=bench.binary, sentence=sentence) for _ in range(bench.rounds)]
            row = [f"kenlm.Model({bench.binary.name!r})", "", megabytes(bench.binary.stat().st_size), "in memory"]
            rows.append([*row, *spread(runs, 1e3, 1)])
    show("Loading: from the call to the first probability, inside", ["", "n-grams", "MB", "files", "ms", "range"], rows)


def starting(bench: Setting) -> None:
    """Whether help is prompt, and whether a second process waits for the compiler."""
    helps = [command([*nextword(), "--help"]) for _ in range(4 * bench.rounds)]
    rows = [["nextword --help", *spread(helps, 1, 3), ""]]
    cache = bench.work / "kernels"
    evaluate = partial(command, [*nextword(), "evaluate", bench.model, "--text", bench.test, "--quiet"])
    for name in ("first process: compiles", "second process", "third process"):
        before = snapshot(cache)
        run = evaluate(env={"NUMBA_CACHE_DIR": str(cache)})
        rows.append([f"nextword evaluate, {name}", *spread([run], 1, 3), str(len(snapshot(cache) - before))])
    title = "Starting: outside; the test text once, beginning with no compiled kernels"
    show(title, ["", "seconds", "range", "kernel files written"], rows)


def perplexities(bench: Setting, *, known: Mapping[str, str]) -> None:
    """Perplexity under both conventions for blank lines, ours and KenLM's."""
    rows = []
    for convention in ("dropped", "kept"):
        texts = (bench.train, bench.test)
        if convention == "dropped":
            texts = tuple(copy_text(file, bench.work / f"dropped-{file.name}", blank=False) for file in texts)
        train, test = texts
        model, arpa = bench.work / "convention", bench.work / "convention.arpa"
        command(bench.train_command(model, train))
        runs = [command([*nextword(), "evaluate", model, "--text", test, "--json", "--quiet"], parse=first_model)]
        if bench.peers.lmplz and bench.peers.module:
            command(bench.lmplz_command("--arpa", arpa, text=train))
            runs.append(command(bench.kenlm_command(arpa, test), parse=json.loads))
        figures = [f"{perplexity(run)} over {run.answer['tokens']:,}" for run in runs]
        rows.append([f"blank lines {convention}", *figures, *["-"] * (2 - len(runs)), known.get(convention, "-")])
    title = f"Perplexity of the test text: order {bench.order}, --like-lmplz; a line of spaces alone is blank"
    show(title, ["", "nextword", "KenLM, this run", "KenLM, known"], rows)


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, metavar="FILE", help="training text (default: WikiText-2's)")
    parser.add_argument("--test", type=Path, metavar="FILE", help="test text (default: WikiText-2's)")
    parser.add_argument("--order", type=int, default=5, help="words per n-gram (KenLM's programs: mostly 6 at most)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs; 1 for a quick look")
    parser.add_argument("--novels", type=Path, metavar="FILE", help="a larger text: also train and load its model")
    peers.add_arguments(parser)
    given = parser.parse_args()
    if (given.train is None) != (given.test is None):
        parser.error("--train and --test go together")
    return given


def texts_to_use(given: argparse.Namespace, work: Path) -> tuple[Path, Path, bool]:
    """Training text, test text, and whether they are WikiText-2; without it, the prose that Python carries."""
    if given.train is not None:
        return given.train, given.test, False
    if WIKITEXT.exists():
        return WIKITEXT / "train.txt", WIKITEXT / "test.txt", True
    print(f"WikiText-2 is not in {WIKITEXT} (NEXTWORD_SHARED says where): Python's own documentation stands in for it")
    sentences = embedded_sentences()
    for name, lines in (("prose-train.txt", sentences[:-250]), ("prose-test.txt", sentences[-250:])):
        (work / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return work / "prose-train.txt", work / "prose-test.txt", False


def main() -> None:
    """Prepare texts and models, then print each claim's table."""
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="nextword-bench-") as folder:
        work = Path(folder)
        train, test, wikitext = texts_to_use(given, work)
        texts = copy_text(train, work / "train.txt"), copy_text(test, work / "test.txt")
        long_test = copy_text(test, work / "long-test.txt", times=TIMES)
        bench = Setting(*texts, long_test, work, given.order, given.rounds, peers.find(given))
        print(f"{train}, {test}: rounds {bench.rounds}, {os.cpu_count()} cores", flush=True)
        command(bench.train_command(bench.model))  # whatever is not compiled yet is compiled now
        command([*nextword(), "evaluate", bench.model, "--text", bench.test, "--quiet"])
        training(bench)
        evaluation(bench)
        next_words(bench)
        models = {train.stem: bench.model}
        if given.novels:
            models[given.novels.name] = work / "large"
            run = command(bench.train_command(work / "large", given.novels))
            print(
                f"\n{given.novels}: trained in {run.seconds:.1f} s, outside; peak memory {megabytes(run.peak)} MB",
                flush=True,
            )
        loading(bench, models)
        starting(bench)
        perplexities(bench, known=KNOWN if wikitext and given.order == 5 else {})


if __name__ == "__main__":
    main()
