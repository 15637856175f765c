"""Rescoring and spelling on corrupted sentences from novels, and what perplexity says of word errors.

    python benchmarks/rescoring.py --work DIR            all of it; data from $NEXTWORD_SHARED or ../shared
    python benchmarks/rescoring.py --work DIR --only rescoring spelling pairs
    python benchmarks/rescoring.py --work DIR --plot docs/perplexity-and-errors.png

The last tenth of the text, which is other novels, is held out; its first half is for tuning, its second for testing.
Sentences of 5 to 25 words are drawn from both, lowercased and without punctuation, as a recogniser writes. Each is
corrupted (``harness/corruption.py``), and a first pass makes a list of its 20 best guesses by that channel and by how
often words occur. With ``--work`` what is made is kept, and a second run goes on where the first ended.
"""

import argparse
import gzip
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from harness.corruption import HOMOPHONES, RATE, Corruption
from harness.lineage import BIG, NETWORKS, lineage, picture
from harness.setting import nextword
from harness.tables import show
from harness.timing import command

from nextword.api import load
from nextword.tasks.choose import choose
from nextword.tasks.rescore import (
    NBestLists,
    count_errors,
    measure,
    read_nbest,
    rescore,
    score_lists,
    tune_weights,
)
from nextword.tasks.spelling import Channel, Corrector, Settings, read_confusions

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
PARTS = ("rescoring", "spelling", "pairs", "lineage")
GUESSES, SHORTEST, LONGEST = 20, 5, 25
STRETCH, EVERY = 1000, 18  # the small training text: so many sentences of each so many stretches
PAIRS = (("high school principal", "high school principle"), ("a smooth finish", "a flat finish"))
_END = re.compile(r"(?<!\bMr)(?<!\bDr)(?<!\bMrs)(?<!\bSt)[.?!][\"'”’)]*\s+(?=[\"'“‘(]*[A-Z])")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def main() -> None:
    """Make what is missing, measure, print the tables, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=SHARED / "data" / "novels" / "novels.txt.gz")
    parser.add_argument("--work", type=Path, help="where to keep what is made")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--dev", type=int, default=2000, help="sentences to tune on")
    parser.add_argument("--test", type=int, default=5000, help="sentences to test on")
    parser.add_argument("--spelling-test", type=int, default=5000, help="how many of the test sentences to correct")
    parser.add_argument("--lineage-dev", type=int, default=2000, help="how many of them for the lineage")
    parser.add_argument("--lineage-test", type=int, default=2500)
    parser.add_argument("--epochs", type=int, default=2, help="of the neural models")
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--pretrained", type=Path, help="a GGUF file or directory to add to the lineage; slow")
    parser.add_argument("--plot", type=Path, help="a PNG to draw the lineage in")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.text.exists():
        raise SystemExit(f"{options.text} is absent; give a text with --text")
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        prepare(options.text, work)
        corrupt(work, {"dev": options.dev, "test": options.test}, options.seed)
        train_big(work)
        if "rescoring" in options.only:
            rescoring(work)
        if "spelling" in options.only:
            spelling(work, options.spelling_test)
        if "pairs" in options.only:
            pairs(work)
        if "lineage" in options.only:
            points = lineage(
                work,
                options.networks,
                epochs=options.epochs,
                dev=options.lineage_dev,
                test=options.lineage_test,
                pretrained=options.pretrained,
            )
            if options.plot:
                picture(points, options.plot)


def sentences(lines: Iterable[str]) -> Iterator[list[str]]:
    """The words of each sentence, lowercased and without punctuation."""
    for line in lines:
        for sentence in _END.split(line):
            words = _WORD.findall(sentence.lower().replace("’", "'"))
            if words:
                yield words


def prepare(text: Path, work: Path) -> None:
    """train.txt, small.txt (an eighteenth of it), dev-all.txt, test-all.txt and valid.txt, one sentence a line."""
    if (work / "small.txt").exists() and (work / "valid.txt").exists():
        return
    data = gzip.decompress(text.read_bytes()) if text.suffix == ".gz" else text.read_bytes()
    lines = data.decode().split("\n")
    cuts = [0, len(lines) * 18 // 20, len(lines) * 19 // 20, len(lines)]
    for name, begin, end in zip(("train", "dev-all", "test-all"), cuts, cuts[1:], strict=False):
        write(work / f"{name}.txt", (" ".join(words) for words in sentences(lines[begin:end])))
    train = lines_of(work / "train.txt")
    stretches = range(0, len(train), STRETCH * EVERY)
    write(work / "valid.txt", lines_of(work / "dev-all.txt")[:800])
    write(work / "small.txt", (line for begin in stretches for line in train[begin : begin + STRETCH]))


def corrupt(work: Path, sizes: dict[str, int], seed: int) -> None:
    """Of dev and test: NAME.txt, what was meant; NAME.seen, what is seen; NAME.nbest, the first pass's guesses."""
    if all((work / f"{name}.nbest").exists() for name in sizes):
        return
    counts = Counter(word for line in lines_of(work / "train.txt") for word in line.split())
    channel = Corruption({word: count for word, count in counts.items() if count > 1})
    random = np.random.default_rng(seed)
    for name, size in sizes.items():
        fitting = [line for line in lines_of(work / f"{name}-all.txt") if SHORTEST <= len(line.split()) <= LONGEST]
        meant = [fitting[i] for i in random.choice(len(fitting), size, replace=False)]
        seen = [channel.spoil(line.split(), random) for line in meant]
        guesses = [channel.guesses(words, GUESSES) for words in seen]
        made = [(str(i), [(text, scores) for text, *scores in one]) for i, one in enumerate(guesses)]
        lists = NBestLists.make(made, ["channel", "frequency"])
        write(work / f"{name}.txt", meant)
        write(work / f"{name}.seen", map(" ".join, seen))
        write(work / f"{name}.nbest", (moses(one.id, two) for one in lists for two in one.hypotheses))


def moses(name: str, hypothesis) -> str:  # type: ignore[no-untyped-def]
    """A line of an n-best list."""
    channel, frequency = hypothesis.scores
    return f"{name} ||| {hypothesis.text} ||| channel: {channel:.4f} frequency: {frequency:.4f}"


def train_big(work: Path) -> None:
    """The 5-gram of all of train.txt."""
    if not (work / BIG).exists():
        words = [*nextword(), "train", "ngram", work / "train.txt", "--order", "5", "--out", work / BIG, "--quiet"]
        print(f"trained the 5-gram in {command(words, parse=lambda _: {}).seconds:.0f} s", flush=True)


def rescoring(work: Path) -> None:
    """Word errors of what is seen, of the first pass, after rescoring with the 5-gram, and the least possible."""
    lm = load(work / BIG)
    references = lines_of(work / "test.txt")
    begin = time.process_time()
    dev, test = (
        score_lists(lm.model, read_nbest(work / f"{name}.nbest"), pipeline=lm.pipeline) for name in ("dev", "test")
    )
    middle = time.process_time()
    weights = tune_weights(dev, lines_of(work / "dev.txt"))
    found = measure(rescore(test, weights), references)
    seen = count_errors(references, lines_of(work / "test.seen"))
    channel = rescore(test, weights=type(weights)({"channel": 1.0}))
    rows = {
        f"corrupted (rate {RATE:.0%})": seen,
        "list, by the channel alone": count_errors(references, channel.best),
        "list, as it came: channel and frequency": found.before,
        "rescored with the 5-gram": found.after,
        "oracle: the best in the list": found.oracle,
    }
    cells = [[name, f"{one.rate:.2%}", f"{one.errors:,}", f"{one.wrong_lines:,}"] for name, one in rows.items()]
    title = f"Rescoring, {len(references):,} test sentences of {seen.length:,} words, lists of {GUESSES}"
    show(title, ["", "WER", "errors", "sentences with errors"], cells)
    assert found.difference is not None
    print(f"  weights {json.dumps({name: round(value, 3) for name, value in weights.values.items()})}")
    points, low, high = (f"{100 * value:+.2f}" for value in found.difference[:3])
    print(f"  errors against the list as it came: {found.after.errors / found.before.errors - 1:+.1%}; "
          f"{points} points, 95 % interval {low} to {high}")  # fmt: skip
    size = len(dev.features) + len(test.features)
    print(f"  {size:,} hypotheses scored in {middle - begin:.1f} s of CPU, tuned and measured in "
          f"{time.process_time() - middle:.1f} s", flush=True)  # fmt: skip


def spelling(work: Path, size: int) -> None:
    """Word errors before and after the spelling corrector; channel and two weights from the dev sentences."""
    lm, confusions = load(work / BIG), read_confusions(HOMOPHONES)
    typed, meant = (lines_of(work / name) for name in ("dev.seen", "dev.txt"))
    lines = [(one.split(), other.split()) for one, other in zip(typed, meant, strict=True)]
    channel = Channel.estimate((pair for line in lines for pair in zip(*line, strict=True)), confusions)

    def corrected(texts: list[str], settings: Settings) -> list[str]:
        corrector = Corrector(lm.model, channel, pipeline=lm.pipeline, settings=settings)
        return [line.text for line in corrector.correct(texts)]

    grid = [Settings(unknown=unknown, lm_weight=weight) for unknown in (-3.0, -6.0) for weight in (0.8, 1.0)]
    rates = [count_errors(meant[:150], corrected(typed[:150], settings)).rate for settings in grid]
    best = grid[int(np.argmin(rates))]
    typed, meant = (lines_of(work / name)[:size] for name in ("test.seen", "test.txt"))
    begin = time.process_time()
    found = corrected(typed, best)
    minutes = (time.process_time() - begin) / 60
    before, after = count_errors(meant, typed), count_errors(meant, found)
    right = [(one.split(), two.split(), three.split()) for one, two, three in zip(meant, typed, found, strict=True)]
    words = [word for line in right for word in zip(*line, strict=True)]
    spoilt = sum(m == t != f for m, t, f in words)
    mended = sum(m != t and m == f for m, t, f in words)
    rows = [["before", f"{before.rate:.2%}", f"{before.errors:,}"], ["after", f"{after.rate:.2%}", f"{after.errors:,}"]]
    show(f"Spelling, {len(meant):,} of the test sentences", ["", "WER", "errors"], rows)
    print(f"  {mended:,} words mended, {spoilt:,} right ones spoilt; {before.length / minutes:,.0f} words a CPU minute")
    print(
        f"  error rate {channel.error_rate:.3f}, LM weight {best.lm_weight}, unknown bonus {best.unknown}", flush=True
    )


def pairs(work: Path) -> None:
    """The pairs of the lectures: bits, as fragments and as sentences, and how often their words occur."""
    lm = load(work / BIG)
    rows = []
    for pair in PAIRS:
        for fragment in (True, False):
            bits = {one.text: one.bits for one in choose(lm.model, pair, pipeline=lm.pipeline, fragment=fragment)}
            difference = bits[pair[1]] - bits[pair[0]]
            how = "fragment" if fragment else "sentence"
            rows.append([f"{pair[0]} / {pair[1]}", how, *(f"{bits[text]:.2f}" for text in pair), f"{difference:+.2f}"])
    show("The lectures' pairs: bits", ["", "as", "first", "second", "first likelier by"], rows)
    text = " \n ".join(lines_of(work / "train.txt"))
    phrases = ["high school", "school principal", "school principle", "principal", "principle", "smooth finish",
               "flat finish", "a smooth", "a flat", "smooth", "flat", "finish"]  # fmt: skip
    show("How often in training", ["", "times"], [[p, f"{text.count(f' {p} '):,}"] for p in phrases])


def lines_of(path: Path) -> list[str]:
    """The lines of a text."""
    return path.read_text(encoding="utf-8").splitlines()


def write(path: Path, lines: Iterable[str]) -> None:
    """A text of these lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


if __name__ == "__main__":
    main()
