"""English to Spanish with and without attention: BLEU on sentences of Tatoeba that no training pair has.

    python benchmarks/translation.py                        train both, print the tables
    python benchmarks/translation.py --attention bahdanau   another attention
    python benchmarks/translation.py --work DIR             keep the models; those that are there are not trained again

Tatoeba's 118,964 pairs (2018) are grouped by their English sentence without case, punctuation and spacing, and the
groups are split by a fixed seed: 3,000 for testing, 2,000 for choosing the weights, the rest for training. So no
English sentence is on two sides. A group of the test has one or more Spanish sentences: each English sentence is
translated once and compared with the first of them (one reference), and with all of them. A Spanish sentence of the
test may be the translation of another English sentence in training; what is left without these is shown too.

BLEU and chrF are sacrebleu's, cased, on plain text. Training time is that of the processor (all cores together) and of
the clock, which also counts what else the machine does.
"""

import argparse
import os
import random
import re
import time
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

from harness.tables import show

from nextword.tasks.translate.picture import draw
from nextword.tasks.translate.score import Scores, evaluate
from nextword.tasks.translate.translator import Translator

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
TEST, DEV, SEED = 3000, 2000, 0
DRAWN = "My little sister bought a red car yesterday."  # these sentences were written for this page
BATS = {  # the lectures' word, and a translation of each sentence but for it
    "The baseball player broke his bat.": "El jugador de béisbol rompió su {}.",
    "He hit the ball with a bat.": "Él golpeó la pelota con un {}.",
    "A bat flew out of the dark cave.": "Un {} salió volando de la oscura cueva.",
    "The bat sleeps during the day.": "El {} duerme durante el día.",
}
SIGNATURE = re.compile(r"\w+")


class Group(NamedTuple):
    """An English sentence, as it was first written, and its translations."""

    english: str
    pairs: list[tuple[str, str]]

    @property
    def references(self) -> list[str]:
        """The Spanish sentences."""
        return [spanish for _, spanish in self.pairs]


class Split(NamedTuple):
    """Groups to test on, to choose weights by, and to learn from."""

    test: list[Group]
    dev: list[Group]
    train: list[Group]


def signature(sentence: str) -> str:
    """What makes two English sentences the same."""
    return " ".join(SIGNATURE.findall(unicodedata.normalize("NFKC", sentence).casefold()))


def split(file: Path) -> Split:
    """The groups, drawn by a fixed seed."""
    groups: dict[str, Group] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        english, spanish = line.split("\t")[:2]
        groups.setdefault(signature(english), Group(english, [])).pairs.append((english, spanish))
    keys = sorted(groups)
    random.Random(SEED).shuffle(keys)
    parts = keys[:TEST], keys[TEST : TEST + DEV], keys[TEST + DEV :]
    return Split(*([groups[key] for key in part] for part in parts))


def texts(groups: list[Group]) -> tuple[list[str], list[str]]:
    """All pairs of groups, side by side."""
    pairs = [pair for group in groups for pair in group.pairs]
    return [english for english, _ in pairs], [spanish for _, spanish in pairs]


def trained(attention: str, data: Split, options: argparse.Namespace) -> Translator:
    """The translator in the folder, or one that is trained now and put there."""
    folder = options.work / f"en-es-{attention}" if options.work else None
    if folder is not None and (folder / "config.json").exists():
        return Translator.load(folder)
    training = {"epochs": options.epochs, "threads": options.threads, "seed": options.seed}
    translator = Translator(attention=attention, dropout=options.dropout, training=training)
    clock, processor = time.perf_counter(), time.process_time()
    translator.fit(*texts(data.train), valid=texts(data.dev), run={"watch": Shown()})
    spent = {"clock": time.perf_counter() - clock, "processor": time.process_time() - processor}
    translator.info = {**translator.info, "settings": {**translator.info["settings"], "spent": spent}}
    if folder is not None:
        translator.save(folder)
    return translator


class Shown:
    """A line of progress now and then."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, status: Any) -> None:
        """What ``train`` calls with where the run stands."""
        if time.monotonic() - self.last > 30:
            self.last = time.monotonic()
            valid = "" if status.valid_loss is None else f", held out {status.valid_loss:.3f}"
            print(f"  epoch {status.epoch:.2f}: {status.loss:.3f} nats a token{valid}", flush=True)


def measured(translator: Translator, data: Split) -> tuple[Scores, list[list[str]]]:
    """Scores of one reference with beam 5, and the rows of a table that has the others."""
    sources, first = [group.english for group in data.test], [group.references[0] for group in data.test]
    known = set(texts(data.train)[1])
    begun = time.process_time()
    found = translator.predict(sources)
    seconds = time.process_time() - begun
    scores = evaluate(found, first, sources)
    new = [i for i, reference in enumerate(first) if reference not in known]
    of_new = evaluate([found[i] for i in new], [first[i] for i in new])
    several = evaluate(found, [group.references for group in data.test])
    greedy = evaluate(translator.predict(sources, beam=1), first)
    rows = [
        ["one reference, beam 5", len(sources), scores],
        ["one reference, greedy", len(sources), greedy],
        ["… that no training pair has, beam 5", len(new), of_new],
        ["all references, beam 5", len(sources), several],
    ]
    print(f"  {len(sources) / seconds:,.0f} sentences a second of processor time with beam 5")
    return scores, [[name, f"{count:,}", f"{one.bleu:.1f}", f"{one.chrf:.1f}"] for name, count, one in rows]


def bats(translator: Translator) -> list[list[str]]:
    """What it writes, and by how many nats it prefers the thing to the animal."""
    sources = list(BATS)
    bate, animal = (
        translator.log_probs(sources, [form.format(word) for form in BATS.values()]) for word in ("bate", "murciélago")
    )
    found = zip(sources, translator.predict(sources), bate - animal, strict=True)
    return [[source, text, f"{nats:+.1f}"] for source, text, nats in found]


def main() -> None:
    """Train what is missing, measure all, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "tatoeba-en-es" / "spa.txt")
    parser.add_argument("--attention", nargs="+", default=["luong", "none"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where to keep the models")
    parser.add_argument("--picture", type=Path, help="where to draw the attention of a sentence, .png or .html")
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"{options.data} is absent; give Tatoeba's spa.txt with --data")
    data = split(options.data)
    print(", ".join(f"{len(part):,} {name} ({len(texts(part)[0]):,} pairs)" for name, part in data._asdict().items()))
    lengths: list[list[str]] = []
    for attention in options.attention:
        print(f"{attention}: training", flush=True)
        translator = trained(attention, data, options)
        known = translator.info["settings"]
        report(attention, known)
        scores, rows = measured(translator, data)
        show(f"{attention}: test", ["", "sentences", "BLEU", "chrF"], rows)
        print(f"{scores.bleu_signature}, brevity penalty {scores.brevity_penalty:.3f}")
        lengths += [[attention, one.name, f"{one.sentences:,}", f"{one.bleu:.1f}"] for one in scores.by_length]
        show(f"{attention}: bat", ["", "written", "log P(bate) / P(murciélago)"], bats(translator))
        if options.picture and attention != "none":
            draw(translator.look(DRAWN), options.picture)
    show("by words of the source", ["attention", "words", "sentences", "BLEU"], lengths)


def report(attention: str, known: dict[str, Any]) -> None:
    """How a training went."""
    spent, numbers = known["spent"], known["parameters"]
    print(
        f"{attention}: {numbers:,} parameters, {known['epochs']:.0f} epochs, {known['steps']:,} steps, "
        f"{spent['processor'] / 60:.1f} minutes of processor time, {spent['clock'] / 60:.1f} of the clock",
        flush=True,
    )


if __name__ == "__main__":
    main()
