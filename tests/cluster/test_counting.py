"""``count_on_cluster``: every n-gram is counted once, although a node dies in the middle."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray")
pytest.importorskip("pyarrow")

from cluster.machines import Running, kill_at_work
from nextword.cluster.counting import _check_memory, count_on_cluster
from nextword.cluster.scratch import FOLDER, Known, open_scratch, read_vocabulary, read_words, write_vocabulary
from nextword.cluster.tasks import CountWords, WriteRuns
from nextword.errors import StoreError, TextError, UsageError
from nextword.interfaces.cli import run
from nextword.ngram.external.counting import CountSettings
from nextword.ngram.external.counts import merge, open_counts, vocabulary_of
from nextword.ngram.external.runs import Run
from nextword.ngram.external.windows import KeyLayout, sorted_rows
from nextword.ngram.sizes import shown
from nextword.text.corpus import Corpus
from nextword.text.embedded import embedded_sentences
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.ranges import ranges

RANGE = 62_500  # bytes
PROGRAM = f"""
import json, sys
from nextword.cluster.counting import _check_memory, count_on_cluster
from nextword.errors import NextwordError
from nextword.ngram.external.counting import CountSettings
address, out, *paths = sys.argv[1:]
said = []
try:
    settings = CountSettings(order=4, min_count=2)
    count_on_cluster(paths, out, settings=settings, range_bytes={RANGE}, shard_rows=1, address=address, say=said.append)
except NextwordError as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A text of many ranges, one that cannot be cut, and records."""
    folder = tmp_path_factory.mktemp("texts")
    sentences = list(embedded_sentences())
    plain, packed, records = (folder / name for name in ("a.txt", "b.txt.gz", "c.jsonl"))
    plain.write_text("\n".join(sentences * 3) + "\n", encoding="utf-8")
    packed.write_bytes(gzip.compress("\n".join(sentences[::3]).encode()))
    records.write_text("".join(json.dumps({"text": text}) + "\n" for text in sentences[::5]), encoding="utf-8")
    return [str(plain), str(packed), str(records)]


@pytest.fixture(scope="module")
def counted(machines, texts, tmp_path_factory):
    """What is written, and said, while one of two nodes is killed in the middle of sorting a range."""
    out = tmp_path_factory.mktemp("counted") / "out"
    node = machines.add()
    running = Running(["-c", PROGRAM, machines.address, out, *texts])

    def done(job):
        stage, _, index = job.rpartition("-")
        return stage != "sorting-n-grams" or (out / FOLDER / f"run-{int(index):05}.json").exists()

    kill_at_work(machines, node, running, out / FOLDER, done)
    status, printed, error = running.result()
    assert (status, error) == (0, "")
    return out, json.loads(printed)


def test_the_job_of_the_dead_node_is_done_again(counted, texts):
    out, said = counted
    parts = len(ranges(texts, RANGE))
    assert parts > 10
    assert [one for one in said if re.fullmatch(rf"sorting n-grams: {parts} of {parts}.*, \d+ begun again", one)], said
    found = [file.name for file in out.iterdir()]
    shards = [shard["file"] for shard in open_counts(out).shards]
    assert len(shards) > 4
    assert sorted(found) == sorted(["counts.json", "words.parquet", *shards])


def test_nothing_is_lost_and_nothing_is_there_twice(counted, texts):
    indexer, corpus = Indexer(), Corpus(texts)
    for block in corpus:
        indexer.read(block.text)
    tokens, vocabulary = indexer.finish(min_count=2)
    found = open_counts(counted[0])
    assert found.vocabulary.words == vocabulary.words
    assert found.sources == corpus.sources
    assert found.settings == {"min_count": 2, "vocab_size": None, "like_lmplz": False, "unended": False}
    expected = np.bincount(tokens, minlength=len(vocabulary))
    expected[[1, 2]] = expected[2] - 1  # as many sentences begin as end
    np.testing.assert_array_equal(found.word_counts, expected)
    rows = np.concatenate(list(found.pieces()))
    np.testing.assert_array_equal(rows, sorted_rows(tokens, KeyLayout(4, len(vocabulary))))


def test_a_model_from_these_counts_is_that_from_the_text(counted, texts, tmp_path):
    options = ["--order", "4", "--smoothing", "witten-bell", "--quiet"]
    assert run(["train", "ngram", "--from-counts", str(counted[0]), "--out", str(tmp_path / "counts"), *options]) == 0
    assert run(["train", "ngram", *texts, "--min-count", "2", "--out", str(tmp_path / "text"), *options]) == 0
    assert files(tmp_path / "counts") == files(tmp_path / "text")


def files(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_an_error_names_the_line_of_the_whole_file(texts, tmp_path):
    text = tmp_path / "t.txt"
    data = Path(texts[0]).read_bytes().split(b"\n")
    data[3000] = b"<s>"
    text.write_bytes(b"\n".join(data))
    scratch = open_scratch(tmp_path / "out", {}, Pipeline())
    task = CountWords(str(scratch), Pipeline().config(), "text")
    with pytest.raises(TextError) as caught:
        for part in ranges([str(text)], RANGE):
            task({"range": list(part), "source": "none", "file": f"words-{part.begin}"})
    assert str(caught.value).startswith(f"{text}:3001: ")
    assert (scratch / "words-0").exists() and not list(scratch.glob(".nextword-*"))


def test_a_range_larger_than_memory_gives_several_runs(texts, tmp_path):
    scratch = open_scratch(tmp_path / "out", {}, Pipeline())
    CountWords(str(scratch), Pipeline().config(), "text")({"range": [texts[1]], "source": "s", "file": "words"})
    write_vocabulary(scratch, Known(*vocabulary_of(read_words(scratch / "words"))))
    for memory, runs in ((1 << 30, 1), (1 << 19, 2)):
        task = WriteRuns(str(scratch), Pipeline().config(), "text", 3, memory)
        names = task({"range": [texts[1]], "name": f"run-{memory}"})["runs"]
        layout = KeyLayout(3, len(read_vocabulary(scratch).vocabulary))
        opened = [Run(scratch / name, layout) for name in names]
        assert len(opened) >= runs
        pieces = [run.read(None, None, np.empty((len(run), layout.words + 1), dtype=np.uint64)) for run in opened]
        tokens = read_vocabulary(scratch).vocabulary.encode(gzip.decompress(Path(texts[1]).read_bytes())).ids
        np.testing.assert_array_equal(
            merge(pieces), sorted_rows(np.concatenate([[2], tokens]).astype(np.int32), layout)
        )


def test_what_machines_together_cannot_do_is_refused(texts, tmp_path):
    with pytest.raises(UsageError) as caught:
        count_on_cluster(texts, tmp_path, settings=CountSettings(like_lmplz=True))
    assert str(caught.value) == (
        "--like-lmplz numbers words by their first appearance, and machines that read at the same time do not know it; "
        "count without --ray"
    )
    with pytest.raises(UsageError) as caught:
        count_on_cluster(texts, tmp_path, memory="5M")
    assert str(caught.value) == "5M of memory a core are too little; give --memory 32M or more"
    with pytest.raises(UsageError) as caught:
        _check_memory(1 << 30, 22_400)
    assert str(caught.value) == (
        f"{shown(1 << 30)} of memory a core cut this text into 22,400 parts, too many to be merged in it; give "
        "--memory 2.9G or more"
    )
    _check_memory(3 << 30, 22_400 // 3)


def test_what_was_finished_is_kept_for_the_same_count_alone(tmp_path):
    out = tmp_path / "out"
    scratch = open_scratch(out, {"order": 3}, Pipeline())
    (scratch / "run-00000").write_bytes(b"rows")
    (out / "ngrams-00000.parquet").write_bytes(b"rows")
    assert open_scratch(out, {"order": 3}, Pipeline()) == scratch
    assert (scratch / "run-00000").exists() and (out / "ngrams-00000.parquet").exists()
    open_scratch(out, {"order": 4}, Pipeline())
    assert not (scratch / "run-00000").exists() and not (out / "ngrams-00000.parquet").exists()


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "diary.txt").write_text("dear")
    with pytest.raises(StoreError) as caught:
        open_scratch(tmp_path, {"order": 3}, Pipeline())
    assert str(caught.value) == f"{tmp_path}: holds other files, such as diary.txt; choose another directory"
    assert (tmp_path / "diary.txt").exists()
