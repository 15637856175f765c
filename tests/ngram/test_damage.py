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
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword
from nextword.errors import NextwordError, UsageError, VocabularyError
from nextword.ngram.arpa import write_arpa
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.compact import quantize as quantizing
from nextword.ngram.compact.quantize import as_backoff
from nextword.ngram.train import train_ngram
from nextword.tasks.describe import describe
from nextword.tasks.keystrokes import keystrokes
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import Vocabulary

SAVED = "NEXTWORD_TEST_SAVED_MODELS"  # where the process that checks every index finds the models
DTYPES = {"U8": np.uint8, "I64": np.int64, "U64": np.uint64, "U32": np.uint32, "F32": np.float32}
LINES = ["the cat sat on the mat", "the dog sat on the cat", "", "a dog <unk> a cat", "birds and fish swim by day"]
TEXT = "the cat sat on a mat\n\nthe dog flew\n"
MODELS = {  # name: (lines, order, smoothing)
    "five": (LINES, 5, "witten-bell"),
    "two": (LINES, 2, "mle"),
    "one": (LINES, 1, "witten-bell"),
    "three words": (["", ""], 3, "mle"),
    "empty top order": (["the cat", "a dog"], 6, "witten-bell"),
    "stupid": (LINES, 3, "stupid-backoff"),
    "trie": (LINES, 5, "witten-bell"),
    "trie of codes": (LINES, 3, "mle"),
    "hash": (LINES, 4, "witten-bell"),
}
QUANTISED = {"trie": "trie", "trie of codes": "trie", "hash": "hash"}  # name: layout
PLAIN = [name for name in MODELS if name not in QUANTISED]  # those that have tables of n-grams' numbers and of words
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
    "large": b"\xff\xff\xff\x7f",
    "high bits": b"\0\0\0\0\0\0\0\x80",
    "up and down": b"\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0",
    "infinities": np.float32(np.inf).tobytes(),
    "sevens": b"\7\0\0\0",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A directory of saved models, by name."""
    if SAVED in os.environ:
        return Path(os.environ[SAVED])
    directory = tmp_path_factory.mktemp("saved")
    for name, (lines, order, smoothing) in MODELS.items():
        lm = nextword.train(Corpus.from_lines(lines), order=order, smoothing=smoothing)
        if name in QUANTISED:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(quantizing, "STORED_ABOVE", 1)  # so that even a small model stores a weight
                lm = nextword.quantize(lm, layout=QUANTISED[name])
        lm.save(directory / name)
        (directory / name / "text.txt").write_text(TEXT)
    return directory


@pytest.fixture(params=MODELS)
def copied(request, saved, tmp_path):
    """The directory of one model after another, to be damaged."""
    return shutil.copytree(saved / request.param, tmp_path / request.param)


def stored_arrays(directory):
    """The arrays in a model directory's files, by file and name, to be written to."""
    found = {}
    for file in sorted(directory.glob("*.safetensors")):
        data = file.read_bytes()
        begin = 8 + int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:begin]).items():
            offset, end = entry["data_offsets"]
            if not name.startswith("_fill") and end > offset:
                shape, dtype = tuple(entry["shape"]), DTYPES[entry["dtype"]]
                array = np.memmap(file, dtype, "r+", begin + offset, shape)
                found[f"{file.name.split('-')[0]} {name}"] = array
    return found


def change(array, place, what):
    """Flip a bit, or overwrite some bytes, aligned to their number."""
    raw = array.reshape(-1).view(np.uint8)
    at = place % len(raw)
    if isinstance(what, int):
        raw[at] ^= 1 << what
    else:
        at -= at % len(what)
        raw[at : at + len(what)] = np.frombuffer(what, dtype=np.uint8)[: len(raw) - at]


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
    if model.kind != "stupid-backoff":
        uses += [
            lambda: [model.log_probs(model.advance(model.start(2), rows[:, :t])) for t in range(rows.shape[1])],
            lambda: (lm.next("the cat"), lm.next("", prefix="c"), lm.steps("the cat"), lm.surprisal(TEXT)),
            lambda: (lm.generate("the", seed=1, samples=2, stop=False), lm.generate(beam=3)),
            lambda: keystrokes(model, Corpus.from_text(TEXT)),
            lambda: write_arpa(as_backoff(model), directory / "model.arpa"),
        ]
    return [error for each in uses if (error := refusal(each)) is not None]


def refusal(action):
    try:
        with np.errstate(all="ignore"):
            action()
    except NextwordError as error:
        return error
    return None


def test_an_undamaged_model_refuses_nothing(copied):
    unlisted = "a model of kind 'ngram-hash' has hashes in place of its n-grams, which nobody can list; "
    expected = [unlisted + "convert the model that it was made of"] if copied.name == "hash" else []
    assert list(map(str, refusals(copied))) == expected


@pytest.mark.parametrize("name", MODELS)
@given(changes=st.lists(CHANGE, min_size=1, max_size=3))
@settings(max_examples=100)
def test_any_bytes_may_be_changed(saved, name, changes):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        directory = Path(shutil.copytree(saved / name, Path(folder) / "model"))
        for which, place, what in changes:
            arrays = list(stored_arrays(directory).values())
            change(arrays[which % len(arrays)], place, what)
        refusals(directory)


@pytest.mark.parametrize("fill", FILLS)
def test_any_array_may_be_filled(copied, fill):
    for array in stored_arrays(copied).values():
        before = array.copy()
        change(array, 0, (FILLS[fill] * array.nbytes)[: array.nbytes])
        refusals(copied)
        array[...] = before


@pytest.mark.parametrize("copied", PLAIN, indirect=True)
@pytest.mark.parametrize("which", range(6))
def test_what_is_found_in_the_table_of_n_grams_may_be_any_number(copied, which):
    arrays = stored_arrays(copied)
    table, n = arrays["weights table"], len(arrays["weights word"])
    below, words = len(arrays["weights first"]) - 1, len(arrays["vocabulary offsets"]) - 1
    low = np.uint64((1 << n.bit_length()) - 1)  # the bits of an entry that are the n-gram's number
    table[table != 0] = (table[table != 0] & ~low) | np.uint64([0, 1, words, below, n - 1, n][which])
    refusals(copied)


@pytest.mark.parametrize("copied", PLAIN, indirect=True)
@pytest.mark.parametrize("word_id", [0, 1, 2, 3, 2**31, 2**63, 2**64 - 1])
def test_what_is_found_in_the_table_of_words_may_be_any_number(copied, word_id):
    stored_arrays(copied)["vocabulary table"][:, 1] = word_id
    refusals(copied)


@pytest.mark.skipif(SAVED in os.environ, reason="this is that process")
def test_every_index_is_within_bounds(saved, tmp_path):
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), SAVED: str(saved)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "refuses or may_be", __file__]
    done = subprocess.run(command, env={**os.environ, **checked}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_a_table_of_n_grams_without_empty_slots_is_not_walked_through_for_each_token():
    model = train_ngram(Corpus.from_lines(LINES), order=3, smoothing="witten-bell")
    full = np.full(1 << 23, 2**64 - 1, dtype=np.uint64)
    damaged = BackoffModel(model.vocabulary, 3, {**model.arrays(), "table": full})
    begin = time.perf_counter()
    damaged.stream_log_probs(np.full(20_000, 5, dtype=np.int32))
    damaged.log_probs(np.full((200, 2), 5, dtype=np.int32))
    assert time.perf_counter() - begin < 10


def test_a_table_of_words_without_empty_rows_is_not_walked_through_for_each_word():
    arrays = Vocabulary.from_words(["<unk>", "<s>", "</s>"]).arrays()
    full = np.full((1 << 22, 2), 2**64 - 1, dtype=np.uint64)
    vocabulary = Vocabulary.from_arrays({**arrays, "table": full}, {"unk": 0, "bos": 1, "eos": 2})
    begin = time.perf_counter()
    assert vocabulary.encode(b"word " * 20_000).oov == 20_000
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize("use", ["words", "byte_lengths", "arrays", "word"])
def test_words_that_share_their_bytes_are_refused(use):
    """Else 20,000 words of as many bytes each would be taken out of 20,000 bytes."""
    arrays = Vocabulary.from_words(["<unk>", "<s>", "</s>", *map(str, range(10_000))]).arrays()
    offsets = arrays["offsets"].copy()
    offsets[1:-1:2], offsets[2:-1:2] = 0, len(arrays["words"])
    vocabulary = Vocabulary.from_arrays({**arrays, "offsets": offsets}, {"unk": 0, "bos": 1, "eos": 2})
    with pytest.raises(VocabularyError) as error:
        found = getattr(vocabulary, use)
        found(*[3] * (use == "word"))
    assert str(error.value) == "the vocabulary's words are damaged: train or copy the model again"


def test_starts_whose_differences_overflow_are_refused():
    vocabulary = Vocabulary.from_words(["<unk>", "<s>", "</s>", "a", "b", "c"])
    arrays = {
        "starts": np.array([0, 0, 6, 4 - 2**63, 3, 8]),
        "word": np.zeros(8, dtype=np.uint32),
        "first": np.zeros(4, dtype=np.uint32),
        "inner": np.zeros((3, 2), dtype=np.float32),
        "leaf": np.zeros(5, dtype=np.float32),
        "table": np.zeros(8, dtype=np.uint64),
        "inserted": np.zeros(0, dtype=np.uint32),
    }
    with pytest.raises(UsageError) as error:
        BackoffModel(vocabulary, 4, arrays)
    problem = "the sizes of its arrays do not fit together"
    assert str(error.value) == f"this is no n-gram model: {problem}; train or copy it again"
