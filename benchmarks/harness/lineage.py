"""Every kind of model on one text and vocabulary: its perplexity, and its word errors on the same n-best lists."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from harness.setting import Words, nextword
from harness.tables import show
from harness.timing import command

from nextword.api import load
from nextword.lm import LM
from nextword.tasks.rescore import NBestLists, Weights, count_errors, measure, read_nbest, rescore, tune_weights
from nextword.tasks.rescore.scoring import ScoredLists, score_lists, text_log_probs

BIG = "big-5gram"
VOCABULARY = ["--vocab-size", "15000"]
SPELLING_NATS = float(np.log(257))  # of each byte of an unknown word, and of its end; as bits per byte has it
_RECURRENT = ["--embedding-size", "128", "--hidden-size", "256", "--layers", "1"]
NETWORKS = {
    "window": ["--embedding-size", "64", "--hidden-size", "128"],
    "rnn": _RECURRENT,
    "gru": _RECURRENT,
    "lstm": _RECURRENT,
    "transformer": [
        "--embedding-size", "96", "--layers", "2", "--heads", "2", "--context", "64", "--bptt", "64", "--no-tied",
    ],
}  # fmt: skip
_NGRAMS = {
    "unigram": ["--order", "1", "--discount-fallback"],
    "bigram": ["--order", "2"],
    "trigram": ["--order", "3"],
    "4-gram": ["--order", "4"],
    "5-gram": ["--order", "5"],
    "5-gram add-one": ["--order", "5", "--smoothing", "laplace"],
    "5-gram Witten-Bell": ["--order", "5", "--smoothing", "witten-bell"],
    "5-gram Katz": ["--order", "5", "--smoothing", "katz", "--discount-fallback"],
    "5-gram Kneser-Ney": ["--order", "5", "--smoothing", "kneser-ney", "--discount-fallback"],
    "5-gram pruned": ["--order", "5", "--prune-entropy", "1e-6"],
}


class Point(NamedTuple):
    """A model's figures. perplexity: as it is, with ``<unk>``; spelt: with unknown words spelt. low, high: of WER."""

    name: str
    family: str
    perplexity: float
    spelt: float
    wer: float
    low: float
    high: float
    weights: dict[str, float]


def lineage(
    work: Path, networks: Sequence[str], *, epochs: int, dev: int, test: int, pretrained: Path | None
) -> list[Point]:
    """Train what is missing, measure all, print the table. dev, test: how many of the sentences are used."""
    places = list(_trained(work, networks, epochs))
    if pretrained is not None:
        places.append((pretrained.name, "pretrained", pretrained))
    sets = [_set(work, name, size) for name, size in (("dev", dev), ("test", test))]
    points = [_measured(work, name, family, place, sets) for name, family, place in places]
    rows = [
        [p.name, p.family, f"{p.perplexity:,.1f}", f"{p.spelt:,.1f}", f"{p.wer:.2%}", f"{p.low:.2%} to {p.high:.2%}"]
        for p in sorted(points, key=lambda p: -p.wer)
    ]
    header = ["", "trained on", "perplexity", "unknown words spelt", "WER", "95 % interval"]
    show(f"Perplexity and word errors, {test:,} test sentences", header, rows)
    ranks = [np.argsort(np.argsort([getattr(p, name) for p in points])) for name in ("spelt", "wer")]
    print(f"  Spearman's correlation of perplexity (spelt) and WER: {np.corrcoef(*ranks)[0, 1]:.3f}", flush=True)
    return points


def _trained(work: Path, networks: Sequence[str], epochs: int) -> Iterator[tuple[str, str, Path]]:
    """Name, family and directory of each model; trained if it is not there."""
    small = work / "small.txt"
    for name, options in _NGRAMS.items():
        out = work / name.replace(" ", "-")
        _run(out, "train", "ngram", small, *VOCABULARY, *options, "--out", out)
        yield name, "n-gram, 1 M words", out
    _run(work / "quantised", "quantize", work / "5-gram", "--out", work / "quantised")
    yield "5-gram quantised", "n-gram, 1 M words", work / "quantised"
    for name in networks:
        training = ["--epochs", str(epochs), "--threads", "1", "--precision", "float32", "--adaptive", "2000 6000"]
        where: Words = [small, "--valid", work / "valid.txt", "--out", work / name]
        _run(work / name, "train", name, *where, *VOCABULARY, *NETWORKS[name], *training)
        yield name, "network, 1 M words", work / name
    if "lstm" in networks:
        both: Words = [work / "lstm", work / "5-gram", "--tune", work / "valid.txt", "--out", work / "mixture"]
        _run(work / "mixture", "mix", *both)
        yield "LSTM + 5-gram", "mixture, 1 M words", work / "mixture"
    big = work / BIG
    _run(work / "big-pruned", "prune", big, "--out", work / "big-pruned", "--entropy", "1e-8")
    for name, out in (("5-gram, all", big), ("5-gram, all, pruned", work / "big-pruned")):
        yield name, "n-gram, 19 M words", out


def _run(out: Path, *words: str | Path) -> None:
    """A command of ours, unless what it makes is there."""
    if not (out / "config.json").exists():
        seconds = command([*nextword(), *words, "--quiet"]).seconds
        print(f"made {out.name} in {seconds:.0f} s", flush=True)


def _set(work: Path, name: str, size: int) -> tuple[NBestLists, list[str]]:
    lists = read_nbest(work / f"{name}.nbest")
    references = (work / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return NBestLists(lists.lists[:size], lists.names), references[:size]


def _measured(work: Path, name: str, family: str, place: Path, sets: list[tuple[NBestLists, list[str]]]) -> Point:
    """A model's figures, kept in a file beside it."""
    (dev, dev_references), (test, references) = sets
    kept = work / "points" / f"{name.replace(' ', '-')}-{len(dev)}-{len(test)}.json"
    if kept.exists():
        return Point(**json.loads(kept.read_text()))
    begin = time.process_time()
    lm = load(place)
    scored = [_scored(work, name, lm, lists) for lists in (dev, test)]
    weights: Weights = tune_weights(scored[0], dev_references)
    done = rescore(scored[1], weights)
    log_probs, unknown = text_log_probs(lm.model, references, pipeline=lm.pipeline)
    tokens = sum(len(line.split()) + 1 for line in references)
    strange = [word for line in references for word in line.split() if lm.model.vocabulary.unk is not None
               and word not in lm.model.vocabulary]  # fmt: skip
    assert len(strange) == unknown.sum() or lm.model.vocabulary.unk is None
    spelling = SPELLING_NATS * sum(len(word.encode()) + 1 for word in strange)
    wer = count_errors(references, done.best).rate
    change = measure(done, references).difference
    assert change is not None  # there are more than 20 lists
    low, high = (wer - change.difference + end for end in (change.low, change.high))
    per_word = [float(np.exp(-(log_probs.sum() - extra) / tokens)) for extra in (0.0, spelling)]
    point = Point(name, family, *per_word, wer, low, high, weights.to_json())
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(point._asdict()))
    print(f"measured {name}: {point.spelt:.1f}, {wer:.2%} in {time.process_time() - begin:.0f} s of CPU", flush=True)
    return point


def _scored(work: Path, name: str, lm: LM, lists: NBestLists) -> ScoredLists:
    """Lists with their features, which are kept: networks take minutes for them."""
    kept = work / "features" / f"{name.replace(' ', '-')}-{lists.sizes[0]}-{sum(lists.sizes)}.npy"
    kept.parent.mkdir(exist_ok=True)
    if kept.exists():
        offsets = np.concatenate([[0], np.cumsum(lists.sizes)])
        return ScoredLists(lists, (*lists.names, "LM", "words", "unknown"), np.load(kept, allow_pickle=False), offsets)
    scored = score_lists(lm.model, lists, pipeline=lm.pipeline)
    np.save(kept, scored.features)
    return scored


def picture(points: Sequence[Point], path: Path) -> None:
    """Perplexity against word error rate, a named mark for each model; where they crowd, larger in a corner."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9.5, 6.5), dpi=110)
    middle = float(np.median([p.spelt for p in points]))
    crowd = [p for p in points if 0.75 * middle < p.spelt < 1.6 * middle]
    inset = axes.inset_axes((0.5, 0.06, 0.48, 0.52))
    for one in (axes, inset):
        for family, mark in zip(sorted({p.family for p in points}), "osD^vP", strict=False):
            some = [p for p in points if p.family == family and (one is axes or p in crowd)]
            one.scatter([p.spelt for p in some], [100 * p.wer for p in some], marker=mark, s=30, label=family, zorder=3)
        one.set_xscale("log")
        one.grid(True, which="both", alpha=0.25)
        one.margins(0.12)
    inset.minorticks_off()
    inset.set_xticks([1500, 2000, 2500, 3000], ["1,500", "2,000", "2,500", "3,000"])
    inset.set_xlim(0.93 * min(p.spelt for p in crowd), 1.2 * max(p.spelt for p in crowd))
    axes.indicate_inset_zoom(inset, edgecolor="black")
    axes.set_xlabel("perplexity per word of the clean sentences, unknown words spelt out (logarithmic)")
    axes.set_ylabel("WER after rescoring (%)")
    axes.legend(loc="upper left")
    figure.tight_layout()
    _name(figure, axes, [p for p in points if p not in crowd], [axes.get_legend(), inset])
    _name(figure, inset, crowd, [])
    figure.savefig(path)
    print(f"wrote {path}: {path.stat().st_size:,} bytes")


def _name(figure, axes, points: Sequence[Point], others) -> None:  # type: ignore[no-untyped-def]
    """Names beside the marks, each at the nearest place where it covers neither a mark nor another name."""
    from matplotlib.transforms import Bbox

    renderer = figure.canvas.get_renderer()
    centres = [axes.transData.transform((p.spelt, 100 * p.wer)) for p in points]
    taken = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in centres]
    taken += [other.get_window_extent(renderer) for other in others]
    frame = axes.get_window_extent(renderer)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for point, (x, y) in zip(points, centres, strict=True):
        text = axes.annotate(point.name, (point.spelt, 100 * point.wer), (0, 0), textcoords="offset pixels", fontsize=8,
                             arrowprops={"arrowstyle": "-", "lw": 0.5, "alpha": 0.6}, zorder=4)  # fmt: skip
        box = text.get_window_extent(renderer)
        for radius, angle in ((r, a) for r in range(10, 160, 6) for a in angles):
            aside = round(float(np.cos(angle)), 1)  # a name begins, ends or has its middle there
            dx = radius * aside - box.width * (aside < 0) - box.width / 2 * (aside == 0)
            dy = radius * np.sin(angle) - box.height / 2
            moved = Bbox.from_bounds(x + dx, y + dy, box.width, box.height)
            inside = frame.x0 < moved.x0 and moved.x1 < frame.x1 and frame.y0 < moved.y0 and moved.y1 < frame.y1
            if inside and not any(moved.overlaps(other) for other in taken):
                text.set_position((dx, dy))
                taken.append(moved)
                break
