"""KenLM's binary files: what is refused and how, and that damage is never more than wrong numbers."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword
import nextword.interfaces.kenlm as kenlm
from nextword.errors import UsageError
from nextword.ngram.kenlm.binary import KenlmBinary

GOLDEN = Path(__file__).parents[1] / "golden" / "kenlm"
BINARIES = sorted(file.name for file in GOLDEN.glob("*.bin"))


def test_words_that_cannot_be_listed():
    model = kenlm.Model(GOLDEN / "probing-tight.bin")
    with pytest.raises(UsageError) as error:
        _ = model.vocabulary
    assert str(error.value) == (
        f"{GOLDEN / 'probing-tight.bin'}: was built without its words (build_binary -v), so they cannot be listed"
    )


def _error(path):
    with pytest.raises(OSError) as error:  # noqa: PT011  # the text is compared in full
        kenlm.Model(str(path))
    return str(error.value)


REBUILD = "build it again with build_binary, from its ARPA file"


def _changed(tmp_path, name, at, data):
    path, content = tmp_path / "m", bytearray((GOLDEN / name).read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "at", "data", "message"),
    [
        ("trie.bin", 34, b"incomplete\n", "was not finished: build_binary was stopped"),
        ("trie.bin", 49, b"4", "has KenLM's format version 4, and this reads version 5"),
        ("trie.bin", 60, b"\0\0\0\0", "was written on a machine with another order of bytes, or is damaged"),
        ("trie.bin", 88, b"\x01", "its header has order 1 and probing multiplier 1.5, and cannot be right"),
        ("trie.bin", 92, b"\0\0\xc0\x7f", "its header has order 4 and probing multiplier nan, and cannot be right"),
        ("trie.bin", 96, b"\x06", "its kind of model is number 6, and KenLM has 0 to 5"),
        ("trie.bin", 104, b"\x07", "holds a trie of version 7, expected version 1"),
        (
            "trie.bin", 114, b"\xff\xff\xff",
            "its header promises 18,446,462,598,732,840,985 n-grams of one order, and cannot be right",
        ),
        ("trie.bin", 110, b"\x01", "has 3,513 bytes, and its header promises at least 524,640"),
        ("probing.bin", 149, b"\xff", "its word table is of version 0 and has 65,305 words, and cannot be right"),
        (
            "trie-q.bin", 352, b"\x03",
            "its quantisation is of version 3, 5 and 4 bits, expected version 2 and 1 to 25 bits",
        ),
        ("trie-a.bin", 784, b"\x05", "its pointers are compressed in version 5, expected version 0"),
    ],
)  # fmt: skip
def test_binary_files_that_cannot_be_read(tmp_path, name, at, data, message):
    path = _changed(tmp_path, name, at, data)
    assert _error(path) == f"Cannot read model '{path}' ({path}: {message}; {REBUILD})"


def test_other_paths_that_hold_no_model(tmp_path):
    cut = tmp_path / "cut"
    cut.write_bytes((GOLDEN / "trie.bin").read_bytes()[:90])
    assert _error(cut) == f"Cannot read model '{cut}' ({cut}: is cut short within its header; {REBUILD})"
    other = tmp_path / "s"
    nextword.train(nextword.Corpus.from_lines(["a b", "a c"]), order=2, smoothing="stupid-backoff").save(other)
    assert _error(other) == (
        f"Cannot read model '{other}' (a stupid-backoff model is no n-gram language model; open it with nextword.load)"
    )
    absent = tmp_path / "absent"
    assert _error(absent) == f"Cannot read model '{absent}' ([Errno 2] No such file or directory: '{absent}')"


@pytest.mark.parametrize("name", BINARIES)
@settings(max_examples=40)
@given(
    changes=st.lists(
        st.tuples(st.integers(min_value=88, max_value=9000), st.binary(min_size=1, max_size=9)), min_size=1, max_size=6
    )
)
def test_damage_is_an_error_or_wrong_numbers_and_no_more(tmp_path_factory, name, changes):
    content = bytearray((GOLDEN / name).read_bytes())
    for at, data in changes:
        at = 88 + (at - 88) % (len(content) - 100)
        content[at : at + len(data)] = data
    path = tmp_path_factory.mktemp("damaged") / "m"
    path.write_bytes(content)
    config = kenlm.Config()
    config.load_method = kenlm.LoadMethod.READ
    try:
        model = kenlm.Model(path, config)
    except OSError:
        return
    for sentence in ("the naïve 日本 книга . they e ee f g h a b c", "a </s> b <s> c unseen the"):
        model.score(sentence)
        model.score(sentence, bos=False, eos=False)
    state = kenlm.State()
    for word in ("the", "naïve", "日本", "unseen", "<s>", "the", "</s>", "a", "b", "c", "ee", "f"):
        model.BaseScore(state, word, state)


def test_what_a_binary_file_is():
    assert repr(KenlmBinary(GOLDEN / "trie-qa.bin")) == (
        "KenlmBinary(trie with quantization and array-compressed pointers, order=4, 25 words)"
    )
