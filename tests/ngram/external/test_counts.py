"""Count shards: what one machine or many write, and the model estimated from them, against training on the text."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import EstimationError, StoreError, UsageError
from nextword.ngram.arena import Arena
from nextword.ngram.external import counts, ranges, runs, shards
from nextword.ngram.external.budget import Budget
from nextword.ngram.external.count_text import count_text
from nextword.ngram.external.counting import CountSettings
from nextword.ngram.external.counts import (
    KeyLayout,
    WordCounts,
    boundaries,
    from_table,
    merge,
    merge_word_counts,
    open_counts,
    read_shard,
    sample_keys,
    shard_windows,
    split,
    to_table,
    vocabulary_of,
    word_counts,
    write_counts,
    write_shard,
)
from nextword.ngram.external.levels import LevelFiles
from nextword.ngram.external.mapped import DiskUse
from nextword.ngram.external.training import train_from_counts
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from ngram.external.test_external import BPE, FALLBACK, LINES, assert_same
from strategies import corpus, sentences

PIPELINE = Pipeline()
LIKE = Smoothing(discount_fallback=True, like_lmplz=True)


@pytest.fixture(autouse=True, scope="module")
def small_row_groups():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_GROUP_ROWS", 2)
        patch.setattr(runs, "BLOCK_ROWS", 3)
        patch.setattr(ranges, "BLOCK_ROWS", 3)
        yield


def count(lines, out, **options):
    options.setdefault("settings", CountSettings(3))
    return count_text(corpus(lines), out, sizes=(9, Budget(30, 9)), shard_rows=5, temp=out.with_name("temp"), **options)


@pytest.fixture
def counted(tmp_path):
    """A directory of the counts of LINES, order 3."""
    count(LINES, tmp_path / "counts")
    return tmp_path / "counts"


OPTIONS = {
    "modified Kneser-Ney": ({}, {}, {}),
    "kneser-ney": ({}, {"smoothing": Smoothing("kneser-ney", discount=0.5)}, {}),
    "jelinek-mercer": ({}, {"smoothing": "jelinek-mercer", "valid": corpus(LINES[3:8])}, {}),
    "pruned": ({}, {"prune": (0, 1, 2)}, {}),
    "limited": ({}, {"limit_vocab": ["a", "b"]}, {}),
    "like lmplz": ({"like_lmplz": True}, {"smoothing": LIKE}, {}),
    "rare words": ({"min_count": 4}, {}, {}),
    "few words": ({"vocab_size": 5}, {}, {}),
    "characters": ({}, {}, {"pipeline": Pipeline(None, CharTokenizer())}),
    "pieces": ({}, {}, {"pipeline": Pipeline(None, BPE)}),
    "order 1": ({"order": 1}, {}, {}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_model_from_counts_is_that_of_the_text(name, tmp_path):
    counting, training, reading = OPTIONS[name]
    made = count(LINES, tmp_path / "counts", settings=CountSettings(**{"order": 3, **counting}), **reading)
    assert len(made.shards) > 2 or counting.get("order") == 1
    training = {"smoothing": FALLBACK, **training}
    trained, found = train_from_counts(tmp_path / "counts", **training, threads=2)
    given_ = {name: value for name, value in counting.items() if name != "like_lmplz"}
    source = corpus(LINES)
    assert_same(trained.model, train_ngram(source, **{"order": 3, **given_}, **training, **reading))
    assert trained.sources == source.sources
    assert found.pipeline.config() == reading.get("pipeline", PIPELINE).config()
    assert found.pipeline.payloads() == reading.get("pipeline", PIPELINE).payloads()


def test_a_lower_order_than_was_counted(counted):
    trained, _ = train_from_counts(counted, order=2, smoothing=FALLBACK)
    assert_same(trained.model, train_ngram(corpus(LINES), order=2, smoothing=FALLBACK))


@settings(max_examples=30)
@given(texts=st.lists(sentences(most=8), min_size=1, max_size=4), order=st.integers(1, 5), buckets=st.integers(1, 6))
def test_many_machines_make_what_one_does(texts, order, buckets, tmp_path_factory):
    """Word counts of shards, one vocabulary, windows of shards, buckets, one shard a bucket: as a cluster does it."""
    out, lines = tmp_path_factory.mktemp("counts"), [line for text in texts for line in text]
    parts = [WordCounts.from_table(word_counts(corpus(text), PIPELINE).to_table()) for text in texts]
    vocabulary, totals = vocabulary_of(merge_word_counts(parts))
    layout = KeyLayout(order, len(vocabulary))
    pieces = [rows for text in texts for rows in shard_windows(corpus(text), PIPELINE, vocabulary, layout, chunk=9)]
    pieces = [from_table(to_table(rows), layout) for rows in pieces]
    bounds = boundaries(np.concatenate([sample_keys(rows, 4) for rows in pieces]), buckets, layout)
    assert len(bounds) < buckets
    filled = [merge(bucket) for bucket in zip(*(split(rows, bounds) for rows in pieces), strict=True)]
    heads = [set(map(tuple, layout.unpack(rows)[:, :2].tolist())) for rows in filled]
    assert sum(map(len, heads)) == len(set().union(*heads))  # no two words begin windows of two buckets
    entries = [write_shard(out / f"ngrams-{i:05}.parquet", [rows], layout) for i, rows in enumerate(filled)]
    known = {"min_count": 1, "vocab_size": None, "like_lmplz": False, "unended": False}
    given_ = {"vocabulary": vocabulary, "word_counts": totals, "layout": layout, "shards": entries}
    write_counts(out, **given_, sources=[], pipeline=PIPELINE, settings=known)
    try:
        expected = train_ngram(corpus(lines), order=order, smoothing=FALLBACK)
    except EstimationError as error:
        with pytest.raises(EstimationError, match=re.escape(str(error))):
            train_from_counts(out, smoothing=FALLBACK)
        return
    assert_same(train_from_counts(out, smoothing=FALLBACK)[0].model, expected)


@given(
    texts=st.lists(sentences(words=("a", "b", "é", "x" * 40, "x" * 41, "<unk>", "zz")), min_size=1, max_size=4),
    min_count=st.integers(1, 4), vocab_size=st.sampled_from([None, 3, 5, 8]),
)  # fmt: skip
def test_the_vocabulary_of_merged_counts_is_that_of_the_text(texts, min_count, vocab_size):
    merged = merge_word_counts([word_counts(corpus(text), PIPELINE) for text in texts])
    words = Counter(word for text in texts for line in text for word in line)
    lines = sum(map(len, texts))
    spelt = [merged.blob[a:b].tobytes().decode() for a, b in zip(merged.offsets[:-1], merged.offsets[1:], strict=True)]
    assert dict(zip(spelt, merged.counts.tolist(), strict=True)) == {"<unk>": 0, **words, "<s>": 0, "</s>": lines}
    indexer = Indexer()
    for block in corpus([line for text in texts for line in text]):
        indexer.read(block.text)
    tokens, expected = indexer.finish(min_count=min_count, vocab_size=vocab_size)
    vocabulary, totals = vocabulary_of(merged, min_count=min_count, vocab_size=vocab_size)
    assert vocabulary.words == expected.words
    occurrences = np.bincount(tokens[1:], minlength=len(expected))
    occurrences[1] = lines
    assert totals.tolist() == occurrences.tolist()


def test_what_is_on_disk(counted):
    parquet = shards.modules()[1]
    manifest = json.loads((counted / "counts.json").read_text())
    source = corpus(LINES)
    assert list(source)
    assert source.sources == manifest["trained_on"]
    names = [shard["file"] for shard in manifest["shards"]]
    assert names == sorted(file.name for file in counted.glob("ngrams-*.parquet"))
    assert sorted(file.name for file in counted.iterdir()) == sorted([*names, "counts.json", "words.parquet"])
    windows = parquet.read_table([counted / name for name in names])
    assert windows.schema.names == ["key0", "count"]
    assert windows.num_rows == sum(shard["rows"] for shard in manifest["shards"])
    keys = windows.column("key0").to_pylist()
    assert keys == sorted(set(keys))
    words = parquet.read_table(counted / "words.parquet").to_pylist()
    occurrences = Counter(word for line in LINES for word in line)
    assert words[0] == {"word": b"<unk>", "count": 0}
    assert {row["word"].decode(): row["count"] for row in words[3:]} == occurrences
    assert [row["count"] for row in words[1:3]] == [len(LINES), len(LINES)]


def test_a_second_count_replaces_the_first(counted, tmp_path):
    count(LINES[:4], counted)
    assert_same(
        train_from_counts(counted, smoothing=FALLBACK)[0].model,
        train_ngram(corpus(LINES[:4]), order=3, smoothing=FALLBACK),
    )
    (counted / "notes.txt").write_text("")
    with pytest.raises(StoreError, match=re.escape(f"{counted}: holds other files, such as notes.txt; choose another")):
        count(LINES, counted)
    assert (counted / "counts.json").exists()


def test_damage_is_refused_by_name(counted):
    for file in sorted(counted.glob("*.parquet")):
        whole = file.read_bytes()
        for data, what in (
            (whole[:-9], f"has {len(whole) - 9} bytes, expected {len(whole)}"),
            (whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], "has SHA-256 "),
            (None, "cannot be read: No such file or directory"),
        ):
            file.unlink() if data is None else file.write_bytes(data)
            with pytest.raises(StoreError, match=re.escape(f"{file}: {what}")):
                train_from_counts(counted, smoothing=FALLBACK)
        file.write_bytes(whole)
    manifest = counted / "counts.json"
    good = json.loads(manifest.read_text())
    for bad, message in (
        ("{", f"{manifest}: is not the manifest of counts; count again"),
        ("[]", f"{manifest}: is not the manifest of counts; count again"),
        (json.dumps(good | {"format_version": 9}), f"{manifest}: has format version 9, and this nextword reads 1"),
        (json.dumps(good | {"shards": [{"file": "../x"}]}), f"{manifest}: is not the manifest of counts"),
        (json.dumps(good | {"vocabulary_size": 4}), f"{counted / 'words.parquet'}: has "),
        (json.dumps(good | {"shards": good["shards"][::-1]}), "the counts are not in the order of their keys"),
        (json.dumps(good | {"shards": good["shards"][1:]}), "the counts are not those of the vocabulary: "),
    ):
        manifest.write_text(bad)
        with pytest.raises(StoreError, match=re.escape(message)):
            train_from_counts(counted, smoothing=FALLBACK)
    manifest.unlink()
    with pytest.raises(StoreError, match=re.escape(f"{counted}: has no counts.json, so it holds no counts")):
        open_counts(counted)


def test_what_counts_do_not_allow(counted):
    with pytest.raises(UsageError, match=re.escape(f"{counted}: holds n-grams up to order 3, not 5; give --order 3")):
        train_from_counts(counted, order=5)
    without = "was counted without --like-lmplz, so a model cannot be estimated with it; give it to both commands or to"
    with pytest.raises(UsageError, match=re.escape(f"{counted}: {without}")):
        train_from_counts(counted, smoothing=LIKE)


def test_a_shard_of_other_columns(tmp_path):
    arrow, parquet = shards.modules()
    layout, file = KeyLayout(3, 10), tmp_path / "x.parquet"
    parquet.write_table(arrow.table({"key0": arrow.array([1], arrow.int64())}), file)
    entry = {"bytes": file.stat().st_size, "sha256": shards.durable.file_sha256(file), "rows": 1}
    message = (
        f"{file}: cannot be read as counts: a table of windows has the uint64 columns key0, count, and this one has "
        "key0 int64"
    )
    with pytest.raises(StoreError, match=re.escape(message)):
        list(read_shard(file, entry, layout))


def test_pyarrow_is_asked_for(monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(shards, "import_module", missing)
    with pytest.raises(
        UsageError, match=re.escape("this needs pyarrow; install it with: pip install 'nextword[data]'")
    ):
        count(LINES, tmp_path / "counts")
    assert not (tmp_path / "counts").exists()


def test_a_killed_count_is_gone_on_with(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def stop(*_, **__):
        raise Stop

    out, temp = tmp_path / "counts", tmp_path / "temp"
    with monkeypatch.context() as patch:
        patch.setattr("nextword.ngram.external.count_text.write_counts", stop)
        with pytest.raises(Stop):
            count(LINES, out)
    assert temp.exists()
    with pytest.raises(StoreError, match="has no counts.json, so it holds no counts, or no whole ones; count again"):
        open_counts(out)
    count(LINES, out, resume=True)
    assert not temp.exists()
    expected = train_ngram(Corpus.from_lines([" ".join(line) for line in LINES]), order=3, smoothing=FALLBACK)
    assert_same(train_from_counts(out, smoothing=FALLBACK)[0].model, expected)


def test_the_names_that_others_build_on():
    assert set(counts.__all__) <= set(vars(counts))


def test_a_word_too_frequent_for_a_model_is_counted_all_the_same(tmp_path):
    few = word_counts(corpus(["a a", "b"]), PIPELINE)
    vocabulary, totals = vocabulary_of(few._replace(counts=np.where(few.counts == 2, 2**32, few.counts)))
    assert totals[vocabulary["a"]] == 2**32
    layout = KeyLayout(2, len(vocabulary))
    files = LevelFiles(tmp_path, layout, 2, DiskUse())
    with pytest.raises(EstimationError) as caught:
        next(files.levels(totals, arena=Arena(), threads=1))
    files.close()
    assert str(caught.value) == (
        "some word occurs more than 4,294,967,295 times, which is more than fits; use less text"
    )
