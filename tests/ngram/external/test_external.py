"""Training with bounded memory: the same model to the byte, whatever the sizes, and after any interruption."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import EstimationError, StoreError, TextError, UsageError
from nextword.ngram.external import ranges, runs
from nextword.ngram.external.budget import Budget
from nextword.ngram.external.mapped import MappedArena
from nextword.ngram.external.training import train_external
from nextword.ngram.external.workplace import discard, workplace
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.text.bpe import train_bpe
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from strategies import corpus, sentences

FALLBACK = Smoothing("modified-kneser-ney", discount_fallback=True)
LINES = [
    line.split() for line in ("a b c a b", "", "c a", "b a b c d", "ee a b c a", "a", "d d d d", "b a b c a b")
] * 3
TINY = (9, Budget(chunk_tokens=30, capacity=30))


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "BLOCK_ROWS", 3)
        patch.setattr(ranges, "BLOCK_ROWS", 3)
        yield


@pytest.fixture
def text(tmp_path):
    """A file of LINES whose blocks are a line or two."""
    file = tmp_path / "text.txt"
    file.write_text("".join(" ".join(line) + "\n" for line in LINES))
    return lambda: Corpus(file, block_size=16)


def assert_same(model, expected):
    """To the byte: what a saved model consists of."""
    assert model.parameters() == expected.parameters()
    for arrays, others in ((model, expected), (model.vocabulary, expected.vocabulary)):
        arrays, others = arrays.arrays(), others.arrays()
        assert list(arrays) == list(others)
        for name, array in arrays.items():
            assert (array.dtype, array.shape) == (others[name].dtype, others[name].shape)
            assert array.tobytes() == others[name].tobytes(), name


def external(source, temp, *, sizes=TINY, **options):
    return train_external(source, temp=temp, sizes=sizes, **options)


@settings(max_examples=40)
@given(lines=sentences(most=30), order=st.integers(1, 6), part=st.integers(1, 40), data=st.data())
def test_the_model_is_that_of_training_in_memory(lines, order, part, data, tmp_path_factory):
    temp = tmp_path_factory.mktemp("temp")
    sizes = (part, Budget(data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))))
    text = "\n".join(" ".join(line) for line in lines) + data.draw(st.sampled_from(["", "\n"]))
    options = {"order": order, "smoothing": data.draw(st.sampled_from([FALLBACK, Smoothing("witten-bell")]))}
    try:
        expected = train_ngram(Corpus.from_text(text), **options)
    except EstimationError as error:
        with pytest.raises(EstimationError, match=re.escape(str(error))):
            external(Corpus.from_text(text), temp, sizes=sizes, **options)
        return
    trained = external(Corpus.from_text(text), temp, sizes=sizes, **options)
    assert_same(trained.model, expected)
    assert not temp.exists()


BPE = train_bpe(corpus(LINES), vocab_size=300)
OPTIONS = {
    "order 1": {"order": 1},
    "kneser-ney": {"smoothing": Smoothing("kneser-ney", discount=0.5)},
    "mle": {"smoothing": "mle"},
    "add": {"smoothing": Smoothing("add", alpha=0.5)},
    "katz": {"smoothing": Smoothing("katz", discount=0.5)},
    "absolute": {"smoothing": Smoothing("absolute", discount=0.5)},
    "jelinek-mercer": {"smoothing": "jelinek-mercer", "valid": corpus(LINES[2:5] + [["zz", "a"]])},
    "stupid-backoff": {"smoothing": "stupid-backoff"},
    "pruned": {"prune": (0, 1, 2)},
    "limited": {"limit_vocab": ["a", "b", "d"]},
    "rare words": {"min_count": 4},
    "few words": {"vocab_size": 5},
    "like lmplz": {"smoothing": Smoothing(discount_fallback=True, like_lmplz=True)},
    "no uniform": {"smoothing": Smoothing(discount_fallback=True, interpolate_unigrams=False)},
    "characters": {"pipeline": Pipeline(Normalizer("nfc"), CharTokenizer()), "order": 7},
    "pieces": {"pipeline": Pipeline(None, BPE)},
    "one thread": {"threads": 1},
    "order 15": {"order": 15},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_works_alike(name, text, tmp_path):
    options = {"order": 3, "smoothing": FALLBACK, **OPTIONS[name]}
    assert_same(external(text(), tmp_path / "temp", **options).model, train_ngram(text(), **options))
    assert not (tmp_path / "temp").exists()


def test_lmplz_has_no_end_for_a_last_line_without_a_newline(tmp_path):
    like = {"smoothing": Smoothing(discount_fallback=True, like_lmplz=True), "order": 3}
    text = "\n".join(map(" ".join, LINES))
    assert_same(
        external(Corpus.from_text(text), tmp_path / "temp", **like).model, train_ngram(Corpus.from_text(text), **like)
    )


def test_without_a_directory_files_go_to_the_systems(text, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    trained = train_external(text(), order=3, smoothing=FALLBACK, memory=64 << 20)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))
    assert [file.name for file in tmp_path.iterdir()] == ["text.txt"]
    assert trained.sources == [{"path": str(tmp_path / "text.txt"), **trained.sources[0]}]
    assert trained.temporary_bytes > 0


# ---- interrupted ----------------------------------------------------------------------------------------------------

KILLED = """
import os, sys
from nextword.ngram.external import runs
from nextword.ngram.external import ranges
from nextword.ngram.external import workplace
from nextword.ngram.external import levels
from nextword.ngram.external import counting as external
from nextword.ngram.external.budget import Budget
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.external.training import train_external
from nextword.text.corpus import Corpus
runs.BLOCK_ROWS = ranges.BLOCK_ROWS = 3
where, after, temp, text = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
owner, name = {"record": (workplace.Workplace, "record"), "encode": (runs, "_encode"),
               "append": (levels.LevelFiles, "append"), "fsync": (os, "fsync")}[where]
original = getattr(owner, name)
def dying(*arguments, **options):
    global after
    after -= 1
    if after < 0:
        os._exit(9)
    return original(*arguments, **options)
setattr(owner, name, dying)
smoothing = Smoothing("modified-kneser-ney", discount_fallback=True)
train_external(Corpus(text, block_size=16), temp=temp, order=3, smoothing=smoothing,
               sizes=(9, Budget(chunk_tokens=30, capacity=30)))
print("not killed")
"""


@pytest.mark.parametrize(("where", "after"), [("record", 4), ("fsync", 9), ("encode", 5), ("append", 2)])
def test_a_killed_process_is_gone_on_with(where, after, text, tmp_path):
    temp = tmp_path / "temp"
    command = [sys.executable, "-c", KILLED, where, str(after), temp, tmp_path / "text.txt"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (9, "", "")
    left = sorted(file.name for file in temp.iterdir())
    assert "manifest.json" in left
    with pytest.raises(UsageError, match=re.escape(f"{temp}: holds what an earlier count has finished; go on with it")):
        external(text(), temp, order=3, smoothing=FALLBACK)
    assert sorted(file.name for file in temp.iterdir()) == left
    trained = external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))
    assert not temp.exists()


class Stop(Exception):
    """Stands for whatever ends a run."""


def stopped(source, temp, monkeypatch, *, records, **options):
    """Train until so many things have been recorded; returns the recorded state."""
    from nextword.ngram.external.workplace import Workplace

    original, left = Workplace.record, records

    def record(self, **state):
        nonlocal left
        original(self, **state)
        left -= 1
        if left < 0:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Workplace, "record", record)
        with pytest.raises(Stop):
            external(source, temp, order=3, smoothing=FALLBACK, **options)


def test_each_step_is_done_once(text, tmp_path, monkeypatch):
    """What was recorded before a stop, wherever it comes, is not done again: parts are not read, runs not written."""
    written = []
    for name in ("nextword.ngram.external.spill.write_part", "nextword.ngram.external.counting.write_run"):
        monkeypatch.setattr(name, spy(name, written))
    expected = external(text(), tmp_path / "whole", order=3, smoothing=FALLBACK).model
    steps = [file.name for file in written]
    parts = sum(name.startswith("part") for name in steps)
    runs = len(steps) - parts
    assert parts > 5
    assert runs > 3
    for records in range(parts + runs + 2):  # the beginning and the vocabulary are recorded too
        temp = tmp_path / str(records)
        stopped(text(), temp, monkeypatch, records=records)
        written.clear()
        trained = external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
        assert_same(trained.model, expected)
        done = min(records, parts) + max(0, records - parts - 1)
        assert len(written) == parts + runs - done


def spy(name, seen):
    module, _, function = name.rpartition(".")
    original = getattr(sys.modules[module], function)

    def spying(file, *arguments):
        seen.append(file)
        return original(file, *arguments)

    return spying


def test_changes_of_the_text_are_noticed(text, tmp_path, monkeypatch):
    temp, file = tmp_path / "temp", tmp_path / "text.txt"
    content = file.read_text()
    stopped(text(), temp, monkeypatch, records=3)
    file.write_text("x" + content[1:])
    begun = f"the text does not begin as the one that {temp} was begun with; give that text, or delete the directory"
    with pytest.raises(UsageError, match=re.escape(begun)):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    file.write_text(content[:20])  # shorter than what was read
    with pytest.raises(UsageError, match=re.escape(begun)):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    file.write_text(content)
    with pytest.raises(Stop):  # read to its end, and some parts sorted
        stopped_again(text, temp, monkeypatch)
    file.write_text(content[:-2] + "x\n")
    with pytest.raises(UsageError, match=re.escape(f"the text is not the one that {temp} was begun with; give that")):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    file.write_text(content)  # another date, but the same text
    trained = external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))


def stopped_again(text, temp, monkeypatch):
    def stop(*_):
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr("nextword.ngram.external.levels.LevelFiles.append", stop)
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)


def test_text_from_memory_is_read_again_to_be_sure(tmp_path, monkeypatch):
    temp, lines = tmp_path / "temp", [" ".join(line) for line in LINES]
    with pytest.raises(Stop):
        stopped_again(lambda: Corpus.from_lines(lines), temp, monkeypatch)
    with pytest.raises(UsageError, match="the text is not the one"):
        external(Corpus.from_lines([*lines, "more"]), temp, order=3, smoothing=FALLBACK, resume=True)
    trained = external(Corpus.from_lines(lines), temp, order=3, smoothing=FALLBACK, resume=True)
    assert_same(trained.model, train_ngram(Corpus.from_lines(lines), order=3, smoothing=FALLBACK))


def test_another_command_is_refused(text, tmp_path, monkeypatch):
    temp = tmp_path / "temp"
    stopped(text(), temp, monkeypatch, records=3)
    message = (
        f"{temp}: is of another count, whose order is 3, and here it is 4; give the same text and options, or delete "
        "the directory and begin again"
    )
    with pytest.raises(UsageError, match=re.escape(message)):
        external(text(), temp, order=4, smoothing=FALLBACK, resume=True)
    with pytest.raises(UsageError, match=r"whose text is \['.*text.txt'\], and here it is \['<memory>'\]"):
        external(corpus(LINES), temp, order=3, smoothing=FALLBACK, resume=True)
    with pytest.raises(UsageError, match="whose pipeline is {.*'whitespace'}}, and here it is {.*'bpe'}}; give"):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True, pipeline=Pipeline(None, BPE))
    (temp / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match=re.escape(f"{temp / 'manifest.json'}: is not a manifest of this version")):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)


def test_another_smoothing_can_go_on(text, tmp_path):
    """Counts do not depend on it: who meets an estimation error need not count again."""
    with pytest.raises(EstimationError, match="--discount-fallback"):
        external(text(), tmp_path / "temp", order=3)
    trained = external(text(), tmp_path / "temp", order=3, smoothing=FALLBACK, resume=True)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))


def test_a_directory_with_other_files_is_refused(text, tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    (temp / "thesis.tex").write_text("")
    message = (
        f"{temp}: holds other files, such as thesis.tex; give temporary files a directory of their own, for example "
        f"{temp / 'counting'}"
    )
    with pytest.raises(UsageError, match=re.escape(message)):
        external(text(), temp, order=3)
    discard(temp)
    assert [file.name for file in temp.iterdir()] == ["thesis.tex"]


def test_what_a_finished_run_left_is_cleaned(text, tmp_path):
    """A process that was killed while it deleted its files: the manifest went first."""
    temp = tmp_path / "temp"
    temp.mkdir()
    for name in ("run-000000-000002", "part-000007.ids", "level-2-word", ".nextword-0123456789abcdef.tmp"):
        (temp / name).write_text("old")
    trained = external(text(), temp, order=3, smoothing=FALLBACK)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))
    assert not temp.exists()


def test_half_of_what_was_finished_is_never_gone_on_with(text, tmp_path, monkeypatch):
    """A process that is killed while it deletes has deleted the manifest."""
    temp, original, left = tmp_path / "temp", Path.unlink, 3
    with pytest.raises(Stop):
        stopped_again(text, temp, monkeypatch)

    def unlink(file, **options):
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop
        original(file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(Stop):
            discard(temp)
    assert len(list(temp.iterdir())) > 1
    trained = external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_do_not_share_a_directory(text, tmp_path):
    with (
        workplace(tmp_path / "temp", {}, resume=False),
        pytest.raises(
            StoreError,
            match=re.escape(f"{tmp_path / 'temp'}: another process is at work there; wait for it or stop it"),
        ),
    ):
        external(text(), tmp_path / "temp")


# ---- damaged and full -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("records", "kind"), [(3, "part-000000.ids"), (10**9, "run-*"), (10**9, "words.safetensors")])
def test_a_damaged_file_is_named(records, kind, text, tmp_path, monkeypatch):
    temp = tmp_path / "temp"
    if records < 100:
        stopped(text(), temp, monkeypatch, records=records)
    else:
        with pytest.raises(Stop):
            stopped_again(text, temp, monkeypatch)
    file = sorted(temp.glob(kind))[0]
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match=re.escape(f"{file}: ")):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    file.write_bytes(data[:30])
    with pytest.raises(StoreError, match=re.escape(f"{file}: ")):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    file.unlink()
    with pytest.raises(StoreError, match=re.escape(f"{file}: ")):
        external(text(), temp, order=3, smoothing=FALLBACK, resume=True)


@pytest.mark.parametrize("after", [2, 20, 36])
def test_a_full_disk_keeps_what_is_finished(after, text, tmp_path, monkeypatch):
    temp, original = tmp_path / "temp", os.fsync

    def full(descriptor):
        nonlocal after
        after -= 1
        if after < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(descriptor)

    message = (
        f"{temp}: cannot be written: No space left on device; what is finished stays in {temp}: make room and go on "
        "with --resume, or delete it"
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=re.escape(message)):
            external(text(), temp, order=3, smoothing=FALLBACK)
    assert (temp / "manifest.json").exists()
    trained = external(text(), temp, order=3, smoothing=FALLBACK, resume=True)
    assert_same(trained.model, train_ngram(text(), order=3, smoothing=FALLBACK))


def test_a_disk_too_full_for_arrays_is_an_error_and_no_signal(text, tmp_path, monkeypatch):
    def full(descriptor, begin, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    stays = pytest.raises(StoreError, match="cannot be written: No space left on device; what is finished stays")
    with stays, workplace(tmp_path / "temp", {}, resume=False):
        MappedArena(tmp_path / "temp").empty(1 << 20, np.uint8)


def test_text_that_cannot_be_read_is_an_error_as_in_memory(tmp_path):
    for lines, message in (
        ([["a", "</s>"]], "<memory>:1: the text holds </s>, which marks the ends of sentences"),
        ([], ""),
    ):
        with pytest.raises((TextError, EstimationError), match=re.escape(message or "the training text is empty")):
            external(corpus(lines), tmp_path / "temp", resume=True)
