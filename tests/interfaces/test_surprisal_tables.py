"""The tables of ``nextword score`` in pandas and polars: every token as it was, whatever it looks like."""

import math

import numpy as np
import pytest

import nextword
from nextword.interfaces.cli import run

# What readers of tables take for something else: missing values, quotes, escapes, numbers, dates, ends of lines.
LINES = [
    "NA null nan NaN None N/A <NA> #N/A",
    "1 2 3 007 -0 1e5",
    '" "" "quoted" \' , ; #hash "open',
    "\\ \\t \\n \\\\ a\\b \\N",
    "TRUE inf -inf 2026-01-01 x\u2028y \x85 é e\u0301 😀 a\x0bb \ufeff",
    "",
]
ESCAPED = r"\\(.)"  # how a TSV file writes a backslash: twice
WHOLE = {"sentence_id": "int64", "token_id": "int64", "surprisal": "float64"}
OTHERS = {"rank": "int64", "entropy": "float64", "oov": "int64"}
WORDS = {"sentence_id": "int64", "word_id": "int64", "surprisal": "float64", "tokens": "int64", "oov": "int64"}
FORMS = ["tsv", "jsonl", "parquet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables of one text in all forms: of its tokens, of words made of characters, and with infinite surprisals."""
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("tables")
    text = folder / "text.txt"
    text.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    nextword.train(text, order=2, smoothing="witten-bell").save(folder / "words")
    nextword.train(text, order=3, smoothing="witten-bell", tokenizer="char").save(folder / "characters")
    (folder / "ab.txt").write_text("a b\nb a\n")
    nextword.train(folder / "ab.txt", order=2, smoothing="mle").save(folder / "certain")
    (folder / "aa.txt").write_text("a b\na a\n")
    tables = {
        "token": ("words", text),
        "word": ("characters", text, "--words"),
        "impossible": ("certain", folder / "aa.txt"),
    }
    for name, arguments in tables.items():
        for form in FORMS:
            call = ["score", *arguments, "--format", form, "--out", f"{name}.{form}", "--quiet"]
            call[1], call[-2] = folder / call[1], folder / call[-2]
            assert run([str(word) for word in call]) == 0
    return folder


def with_pandas(file, column):
    """The calls that the documentation names."""
    pandas = pytest.importorskip("pandas")
    match file.suffix:
        case ".tsv":
            return pandas.read_csv(file, sep="\t", quoting=3, escapechar="\\", keep_default_na=False)
        case ".jsonl":
            return pandas.read_json(file, lines=True)
    return pandas.read_parquet(file)


def with_polars(file, column):
    polars = pytest.importorskip("polars")
    match file.suffix:
        case ".tsv":
            table = polars.read_csv(file, separator="\t", quote_char=None)
            return table.with_columns(polars.col(column).str.replace_all(ESCAPED, "${1}"))
        case ".jsonl":
            return polars.read_ndjson(file)
    return polars.read_parquet(file)


READERS = pytest.mark.parametrize("read", [with_pandas, with_polars])


def types(table):
    """The type of each column of numbers, in NumPy's words."""
    names = list(table.columns)
    return {name: str(np.asarray(table[name]).dtype) for name in names if name not in ("token", "word")}


@READERS
@pytest.mark.parametrize("form", FORMS)
def test_tokens(folder, read, form):
    table = read(folder / f"token.{form}", "token")
    lines = [[*line.split(" "), "</s>"] if line else ["</s>"] for line in LINES]
    assert list(table["token"]) == sum(lines, [])
    assert list(table["sentence_id"]) == [i for i, line in enumerate(lines, start=1) for _ in line]
    assert list(table["token_id"]) == [i for line in lines for i, _ in enumerate(line, start=1)]
    assert types(table) == WHOLE | OTHERS
    lm = nextword.load(folder / "words")
    bits = [bits for _, bits in lm.surprisal("\n".join(LINES) + "\n")]
    np.testing.assert_allclose(np.asarray(table["surprisal"]), bits, rtol=1e-6)
    assert set(table["oov"]) == {0}
    assert min(table["rank"]) == 1


@READERS
@pytest.mark.parametrize("form", FORMS)
def test_words(folder, read, form):
    table = read(folder / f"word.{form}", "word")
    assert list(table["word"]) == sum(([*line.split(" "), "</s>"] if line else ["</s>"] for line in LINES), [])
    assert types(table) == WORDS
    lm = nextword.load(folder / "characters")
    total = -lm.score("\n".join(LINES) + "\n") / math.log(2)
    assert sum(table["surprisal"]) == pytest.approx(total, rel=1e-6)


@READERS
@pytest.mark.parametrize("form", FORMS)
def test_what_cannot_be(folder, read, form):
    """An infinite surprisal is one, but in JSON, which has no such number."""
    table = read(folder / f"impossible.{form}", "token")
    bits = np.asarray(table["surprisal"], dtype=float)
    assert list(table["token"]) == ["a", "b", "</s>", "a", "a", "</s>"]
    (strange,) = np.flatnonzero(~np.isfinite(bits))
    assert strange == 4
    assert math.isnan(bits[4]) if form == "jsonl" else bits[4] == math.inf
