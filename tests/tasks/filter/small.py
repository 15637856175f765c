"""Small models and shards for the tests of filtering."""

import json

import nextword

TRAIN = [
    "students opened their books",
    "students opened their laptops",
    "the students read it",
    "",
    "they opened it",
] * 4
OTHER = ["their laptops read books", "it opened the students", "they read", "books opened it"] * 4
TEXTS = [
    "students opened their books",
    "the students\nread it\n",
    "",
    "zébras <s> opened </s> it\n\n<unk>",
    'they "opened" \\ it\ttoo',
    "laptops laptops laptops laptops",
    "\n",
    "they opened it",
]


def model(lines=None, **options):
    """A small n-gram model."""
    given = {"order": 3, "smoothing": "witten-bell", **options}
    return nextword.train(nextword.Corpus.from_lines(lines or TRAIN), **given)


def write_jsonl(path, texts=None, **options):
    """A file of records with these texts; returns its lines."""
    lines = [json.dumps({"id": i, "text": text, "score": i / 3}, **options) for i, text in enumerate(texts or TEXTS)]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    return lines
