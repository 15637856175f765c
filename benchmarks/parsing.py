"""Dependency parsing of UD English EWT: UAS and LAS of the CoNLL 2018 evaluation, beside training time.

    nextword tag train TRAIN --valid DEV --out tagger              the tagger whose tags the parser is to read
    python benchmarks/parsing.py --tagger tagger                   three seeds each, all rows
    python benchmarks/parsing.py --only gold --seeds 1

Data: $NEXTWORD_SHARED or ../shared, data/ud-english-ewt (UD 2.16), gold tokens. Rows:

    gold        bidirectional LSTM under stack and buffer; UPOS, XPOS and FEATS as they stand in the treebank
    predicted   the same, of tags only UPOS, trained on the treebank's (or on --jackknife, a training file with tags by
                taggers that have not seen them) and tested on the tagger's: the file's own tags are dropped first
    paper       Chen & Manning (2014): no LSTM, 18 places of stack and buffer, cube activation, 200 hidden units; gold
                tags

UDPipe 1.2's figures, on an earlier release of the treebank: 87.7 / 85.8 with gold tags and 84.5 / 81.2 with its own,
https://ufal.mff.cuni.cz/udpipe/1/models. Weights are kept by the LAS of the development text, with the same kind of
tags as the test, and settings were chosen by it. No outside vectors. Seconds are of one thread; "cpu" is processor
time, which other programs on the machine do not stretch.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.tables import show

from nextword.tasks.parse.parser import Parser
from nextword.tasks.parse.score import score
from nextword.text.conllu import Sentence, read_conllu

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
ROWS: dict[str, dict[str, Any]] = {
    "gold": {},
    "predicted": {"tags": ("upos",), "tag_dropout": 0.15},
    "paper": {"layers": 0, "activation": "cube", "hidden_size": 200, "embedding_size": 50, "tag_size": 50,
              "label_size": 50, "word_dropout": 0.1},
}  # fmt: skip
TARGETS = {"gold": "87.7 / 85.8", "predicted": "84.5 / 81.2", "paper": "-"}
Tag = Callable[[Sequence[Sentence]], list[Sentence]]


def tagging(folder: Path) -> Tag:
    """A function that gives sentences the tagger's UPOS, and no other tags."""
    from nextword.tasks.tag.tagger import Tagger

    tagger = Tagger.load(folder)

    def tag(sentences: Sequence[Sentence]) -> list[Sentence]:
        rows = tagger.predict([sentence.forms for sentence in sentences])
        return [bare(sentence).replaced(upos=row) for sentence, row in zip(sentences, rows, strict=True)]

    return tag


def bare(sentence: Sentence) -> Sentence:
    """The sentence without its tags."""
    none = ["_"] * len(sentence.words)
    return sentence.replaced(upos=none, xpos=none, feats=none)


def trained(row: str, seed: int, data: dict[str, list[Sentence]], options: argparse.Namespace, out: Path) -> Parser:
    """A parser, which is kept in ``out``, or found there; its processor seconds are beside it."""
    if out.exists():
        return Parser.load(out)
    given = {"seed": seed, "threads": options.threads}
    if options.epochs:
        given["epochs"] = options.epochs
    parser = Parser(**ROWS[row], training=given)
    began = time.process_time()
    parser.fit(data["train"], valid=data["dev"])
    seconds = {"cpu": time.process_time() - began, "wall": parser.report_.seconds}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(seconds), encoding="utf-8")
    parser.save(out)
    return parser


def measured(parser: Parser, test: list[Sentence]) -> dict[str, float]:
    """Percentages, and words parsed in a second of processor time."""
    parser.predict(test[:2])  # kernels are compiled
    began = time.process_time()
    found = parser.predict(test)
    seconds = time.process_time() - began
    scores = score(test, found)
    shares = {name: 100 * getattr(scores, name) for name in ("uas", "las", "exact", "clas")}
    return {**shares, "speed": scores.words / seconds}


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Their mean, and standard deviation if there are several."""
    mean = f"{statistics.mean(values):,.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def run(row: str, data: dict[str, list[Sentence]], options: argparse.Namespace, work: Path) -> list[str]:
    """The cells of a row."""
    dev, test, seconds = [], [], []
    for seed in range(options.seeds):
        out = work / f"{row}-{seed}"
        parser = trained(row, seed, data, options, out)
        dev.append(measured(parser, data["dev"]))
        test.append(measured(parser, data["test"]))
        seconds.append(json.loads(out.with_suffix(".json").read_text(encoding="utf-8")))
        figures = {name: round(value, 2) for name, value in test[-1].items()}
        print(f"{row}, seed {seed}: {figures}, {seconds[-1]['cpu']:.0f} s of cpu to train", flush=True)
    cells = [spread([one[name] for one in test]) for name in ("uas", "las", "exact", "clas")]
    held_out = spread([one["las"] for one in dev])
    times = [spread([one[name] for one in seconds], 0) for name in ("cpu", "wall")]
    return [row, *cells, TARGETS[row], held_out, *times, spread([one["speed"] for one in test], 0)]


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "ud-english-ewt")
    parser.add_argument("--tagger", type=Path, help="a directory of nextword tag train, for the row predicted")
    parser.add_argument("--jackknife", type=Path, help="the training file with predicted tags")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3, help="0 and up")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="where parsers are kept, and those that are there are used")
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"{options.data} is absent; give the folder of en_ewt-ud-*.conllu with --data")
    gold = {name: read_conllu(options.data / f"en_ewt-ud-{name}.conllu") for name in ("train", "dev", "test")}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        for row in options.only:
            data = gold
            if row == "predicted":
                if options.tagger is None:
                    print("predicted: left out, as no --tagger is given")
                    continue
                tag = tagging(options.tagger)
                train = read_conllu(options.jackknife) if options.jackknife else gold["train"]
                data = {"train": train, "dev": tag(gold["dev"]), "test": tag(gold["test"])}
                right = [a.upos == b.upos for s, t in zip(gold["test"], data["test"], strict=True)
                         for a, b in zip(s.words, t.words, strict=True)]  # fmt: skip
                print(f"UPOS accuracy of the tagger on the test text: {100 * statistics.mean(right):.2f}")
            rows.append(run(row, data, options, work))
    show(
        "UD English EWT, test, %",
        ["", "UAS", "LAS", "whole label", "CLAS", "UDPipe 1.2", "dev LAS", "cpu s", "wall s", "words/s"],
        rows,
    )


if __name__ == "__main__":
    main()
