"""The files that the documents speak of, so small that every command on them takes a moment."""

import gzip
import json
from pathlib import Path

import zstandard

from nextword.text.conllu import write_conllu
from nextword.text.embedded import embedded_sentences
from parse_trees import sentence

TREES = [
    sentence("I/2/nsubj/PRON saw/0/root/VERB him/2/obj/PRON"),
    sentence("she/2/nsubj/PRON met/0/root/VERB us/2/obj/PRON ./2/punct/PUNCT"),
    sentence("the/2/det/DET cat/3/nsubj/NOUN slept/0/root/VERB"),
]
ENTITIES = "Ann\tB-per\nsaw\tO\nRome\tB-loc\n\nBob\tB-per\nleft\tO\n\n" * 4
REVIEWS = [("a good film", "good"), ("a bad film", "bad"), ("not good at all", "bad"), ("not bad at all", "good")]
PAIRS = [
    ("the cat sees", "el gato ve"),
    ("the bird sees the cat", "el pájaro ve el gato"),
    ("small cat", "gato pequeño"),
]
NBEST = ["the class is a objekt", "the class is an object"], ["an other class", "another class"]
WORDS = "the a cat film good bad not I saw him she met us class is of object"


def write_files(folder: Path) -> None:
    """Write them all."""
    prose = embedded_sentences()
    _texts(folder, prose)
    _crawls(folder, prose)
    _tasks(folder)
    _lists(folder)


def _texts(folder: Path, prose: list[str]) -> None:
    parts = {"train": prose[:500], "valid": prose[500:550], "test": prose[550:600]}
    for name, lines in parts.items():
        (folder / f"wiki.{name}.txt").write_text(_text(lines), encoding="utf-8")
    for name in ("wiki.train.txt.gz", "wiki.txt.gz"):
        (folder / name).write_bytes(gzip.compress(_text(parts["train"]).encode()))
    for name in ("text.txt", "talk.txt", "news.txt", "lines.txt", "letter.txt"):
        (folder / name).write_text(_text(["the cat saw him", "a class is an object."]), encoding="utf-8")
    for name, lines in {
        "train": parts["train"],
        "FILE": prose[:40],
        "hausa": prose[:9],
        "swahili": prose[9:18],
    }.items():
        (folder / (name if name == "FILE" else f"{name}.txt")).write_text(_text(lines), encoding="utf-8")
    (folder / "homophones.txt").write_text("saw sore\nclass glass\n", encoding="utf-8")
    vectors = [f"{word} {i % 3} {i % 5} {i % 7}" for i, word in enumerate(WORDS.split())]
    for name in ("glove.txt", "glove.6B.50d.txt"):
        (folder / name).write_text(_text(vectors), encoding="utf-8")


def _crawls(folder: Path, prose: list[str]) -> None:
    (folder / "crawl").mkdir()
    for shard, begin in enumerate(range(0, 60, 20), start=1):
        lines = prose[600 + begin : 620 + begin]
        (folder / "crawl" / f"{shard}.jsonl").write_text(_text([json.dumps({"text": line}) for line in lines]))
        (folder / f"crawl.{shard}.txt").write_text(_text(prose[300 * shard : 300 * shard + 300]), encoding="utf-8")
        (folder / f"crawl.{shard}.txt.zst").write_bytes(
            zstandard.compress(_text(prose[300 * shard : 300 * shard + 300]).encode())
        )


def _tasks(folder: Path) -> None:
    for name in ("train", "dev", "test"):
        rows = [f"{text}\t{label}" for text, label in REVIEWS * 5]
        (folder / f"{name}.tsv").write_text(_text(["text\tlabel", *rows]), encoding="utf-8")
        (folder / f"{name}.conllu").write_text("".join(write_conllu(TREES)), encoding="utf-8")
        for language, lines in zip(("en", "es"), zip(*PAIRS * 4, strict=True), strict=True):
            (folder / f"{name}.{language}").write_text(_text(list(lines)), encoding="utf-8")
    (folder / "trees.conllu").write_text("".join(write_conllu(TREES[:1])), encoding="utf-8")
    (folder / "talk.en").write_text("the cat\n", encoding="utf-8")
    for name in ("wnut.conll", "dev.conll"):
        (folder / name).write_text(ENTITIES, encoding="utf-8")


def _lists(folder: Path) -> None:
    for name in ("dev", "test"):
        hypotheses = [f"{i} ||| {text} ||| am: {-rank}" for i in range(6) for rank, text in enumerate(NBEST[i % 2])]
        (folder / f"{name}.nbest").write_text(_text(hypotheses), encoding="utf-8")
        (folder / f"{name}.txt").write_text(_text([NBEST[i % 2][1] for i in range(6)]), encoding="utf-8")
    (folder / "pairs.tsv").write_text("a class\ta glass\nan object\tan objekt\n", encoding="utf-8")


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
