"""Model directories whose payloads were damaged: wrong answers or a NextwordError, never a crash, a hang or a flood.

Opening checks headers and sizes, not the arrays' contents, so everything that follows them must bound what it reads.
The same examples are run once more in a process whose compiled loops check every index.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword
from nextword.errors import NextwordError
from nextword.ngram.arpa import write_arpa
from nextword.tasks.describe import describe
from nextword.tasks.keystrokes import keystrokes
from nextword.text.corpus import Corpus

SAVED = "NEXTWORD_TEST_SAVED_MODELS"  # where the models are that the other process reads
LINES = ["the cat sat on the mat", "the dog sat on the cat", "", "a dog <unk> a cat", "the mat"]
TEXT = "the cat sat on a mat\n\nthe dog flew\n"
MODELS = {  # name: (lines, order, smoothing)
    "five": (LINES, 5, "witten-bell"),
    "two": (LINES, 2, "mle"),
    "one": (LINES, 1, "witten-bell"),
    "three words": (["", ""], 3, "mle"),
    "empty top order": (["the cat", "a dog"], 6, "witten-bell"),
    "stupid": (LINES, 3, "stupid-backoff"),
}
HUGE = [value.to_bytes(size, "little") for size in (4, 8) for value in (2 ** (8 * size - 1), 2 ** (8 * size) - 1)]
CHANGE = st.tuples(
    st.integers(0, 9),  # which array
    st.integers(0, 10_000),  # where in it
    st.one_of(
        st.integers(0, 7),  # the bit to flip
        st.binary(min_size=1, max_size=8),  # or what to write
        st.sampled_from(HUGE),
        st.integers(0, 255).map(lambda value: value.to_bytes(4, "little")),
        st.floats(width=32).map(lambda value: np.float32(value).tobytes()),
    ),
)
FILLS = {
    "zeros": b"\0",
    "ones": b"\xff",
    "huge uint32": b"\xff\xff\xff\x7f",
    "high bits": b"\0\0\0\0\0\0\0\x80",
    "in turn": b"\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0",
    "infinite": np.float32(np.inf).tobytes(),
    "small": b"\7\0\0\0",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A directory of saved models, by name."""
    if SAVED in os.environ:
        return Path(os.environ[SAVED])
    directory = tmp_path_factory.mktemp("saved")
    for name, (lines, order, smoothing) in MODELS.items():
        nextword.train(Corpus.from_lines(lines), order=order, smoothing=smoothing).save(directory / name)
        (directory / name / "text.txt").write_text(TEXT)
    return directory


def arrays(directory):
    """(file, first byte, size) of each array of a model directory that has contents."""
    found = []
    for file in sorted(directory.glob("*.safetensors")):
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if not name.startswith("_fill") and end > begin:
                found.append((file, 8 + length + begin, end - begin))
    return found


def change(directory, which, place, what):
    """Flip a bit of one array, or overwrite some bytes, aligned to their number."""
    found = arrays(directory)
    file, begin, size = found[which % len(found)]
    at = place % size
    with file.open("r+b") as stream:
        if isinstance(what, int):
            stream.seek(begin + at)
            what = bytes([stream.read(1)[0] ^ (1 << what)])
        at -= at % len(what)
        stream.seek(begin + at)
        stream.write(what[: size - at])


def refusals(directory):
    """Do with a model all that can be done; what it answers does not matter. Returns the errors that it gave."""
    try:
        lm = nextword.load(directory)
    except NextwordError as error:
        return [error]
    model, vocabulary = lm.model, lm.model.vocabulary
    size = len(vocabulary)
    rows = np.array([[*range(size)] * 2, [*range(size)[::-1]] * 2], dtype=np.int32)
    uses = [
        lambda: (vocabulary.words, vocabulary.byte_lengths),
        lambda: ([vocabulary.word(i) for i in range(size)], vocabulary.ids(TEXT.split()), "flew" in vocabulary),
        lambda: vocabulary.encode(TEXT.encode()),
        lambda: describe(model),
        lambda: lm.evaluate(directory / "text.txt"),
        lambda: (model.token_log_probs(rows), model.stream_log_probs(rows.ravel())),
    ]
    if model.kind == "ngram":
        uses += [
            lambda: [model.log_probs(model.advance(model.start(2), rows[:, :t])) for t in range(rows.shape[1])],
            lambda: (lm.next("the cat"), lm.next("", prefix="c"), lm.steps("the cat"), lm.surprisal(TEXT)),
            lambda: (lm.generate("the", seed=1, samples=2, stop=False), lm.generate(beam=3)),
            lambda: keystrokes(model, Corpus.from_text(TEXT)),
            lambda: write_arpa(model, directory / "model.arpa"),
        ]
    return [error for each in uses if (error := refusal(each)) is not None]


def refusal(action):
    try:
        with np.errstate(all="ignore"):
            action()
    except NextwordError as error:
        return error
    return None


@pytest.mark.parametrize("name", MODELS)
def test_an_undamaged_model_refuses_nothing(saved, name, tmp_path):
    assert refusals(shutil.copytree(saved / name, tmp_path / "model")) == []


@pytest.mark.parametrize("name", MODELS)
@given(changes=st.lists(CHANGE, min_size=1, max_size=3))
@settings(max_examples=150)
def test_any_bytes_may_be_changed(saved, name, changes):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        directory = Path(shutil.copytree(saved / name, Path(folder) / "model"))
        for one in changes:
            change(directory, *one)
        refusals(directory)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", MODELS)
def test_any_array_may_be_filled(saved, name, fill, tmp_path):
    for i in range(len(arrays(saved / name))):
        directory = Path(shutil.copytree(saved / name, tmp_path / str(i)))
        size = arrays(directory)[i][2]
        change(directory, i, 0, (FILLS[fill] * size)[:size])
        refusals(directory)


@pytest.mark.parametrize("index", [0, 1, "V", "M", "N - 1", "N"])
@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_n_grams_may_lead_anywhere(saved, name, index, tmp_path):
    directory = Path(shutil.copytree(saved / name, tmp_path / "model"))
    model = store.load(saved / name).model
    table, words = model.arrays()["table"].copy(), model.arrays()["word"]
    size, below = len(words), len(model.arrays()["inner"])
    places = {"V": len(model.vocabulary), "M": below, "N - 1": size - 1, "N": size}
    low = np.uint64((1 << size.bit_length()) - 1)
    used = table != 0
    table[used] = (table[used] & ~low) | np.uint64(places.get(index, index))
    change(directory, place_of(directory, "table"), 0, table.tobytes())
    refusals(directory)


@pytest.mark.parametrize("word_id", [0, 1, 2, "V - 1", "V", 2**63, 2**64 - 1])
@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_words_may_lead_anywhere(saved, name, index, tmp_path):
    pass


@pytest.mark.skipif(SAVED in os.environ, reason="this is that process")
def test_every_index_is_within_bounds(saved, tmp_path):
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), SAVED: str(saved)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env={**os.environ, **checked}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
