"""A model directory: what goes in comes out, what is damaged is refused by name, and a kill leaves a whole model.

Run as a program, this file is the victim of the kill test: see ``serve_kills``.
"""

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from nextword import durable, manifest, store
from nextword.errors import NextwordError, StoreError
from nextword.text.vocabulary import Vocabulary

REMEDY = "copy the model again, or train it again"
HASH = "[0-9a-f]{16}"


class Tiny:
    """The least that can be saved: one number and two arrays."""

    kind = "tiny"

    def __init__(self, number, arrays, vocabulary):
        self.number, self._arrays, self.vocabulary = number, arrays, vocabulary

    def parameters(self):
        return {"number": self.number}

    def arrays(self):
        return self._arrays

    @classmethod
    def from_arrays(cls, parameters, arrays, vocabulary):
        inner, word = arrays["inner"], arrays["word"]
        if (inner.dtype, word.dtype) != (np.float32, np.uint32) or inner.shape != (len(word), 2):
            raise ValueError("inner is not (N, 2) float32, or word is not (N,) uint32")
        return cls(parameters["number"], arrays, vocabulary)


class Text(NamedTuple):
    """A text pipeline as the store sees one."""

    files: dict[str, bytes]

    def config(self):
        return {"tokenizer": "bpe"}

    def payloads(self):
        return self.files


def tiny(number=1, rows=5):
    vocabulary = Vocabulary.from_words(["<unk>", "<s>", "</s>", *(f"word{number + i}" for i in range(rows))])
    values = np.random.default_rng(number)
    arrays = {
        "word": values.integers(0, 99, rows, dtype=np.uint32),
        "inner": values.random((rows, 2), dtype=np.float32),
    }
    return Tiny(number, arrays, vocabulary)


def names_in(directory):
    return sorted(file.name for file in directory.iterdir())


def equal(a, b):
    """Whether two Tiny models are the same in every part."""
    return (
        a.number == b.number
        and a.vocabulary.words == b.vocabulary.words
        and a.vocabulary.specials() == b.vocabulary.specials()
        and set(a.arrays()) == set(b.arrays())
        and all(np.array_equal(a.arrays()[name], b.arrays()[name]) for name in a.arrays())
    )


@pytest.fixture(autouse=True, scope="module")
def tiny_is_a_kind():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(store.KINDS, "tiny", f"{__name__}:Tiny")
        yield


@pytest.fixture
def saved(tmp_path):
    """A directory with ``tiny()`` and a tokenizer in it."""
    directory = tmp_path / "model"
    store.save(directory, tiny(), text=Text({"tokenizer.json": b"{}"}))
    return directory


def payload(directory, stem):
    (file,) = directory.glob(f"{stem}-*")
    return file


def header_length(data):
    return 8 + int.from_bytes(data[:8], "little")


def rewrite(directory, **changes):
    """Change fields of config.json as a program would that keeps its checksum right; ``...`` removes a field."""
    config = json.loads((directory / "config.json").read_bytes()) | changes
    config.pop("checksum")
    config = {name: value for name, value in config.items() if value is not ...}
    (directory / "config.json").write_bytes(manifest.dump(config))


def refused(message):
    return pytest.raises(StoreError, match=f"^{re.escape(message)}$")


# ---- round trips


def test_round_trip(tmp_path):
    directory = tmp_path / "new" / "model"
    trained_on = [{"path": "a.txt", "bytes": 3, "sha256": 64 * "0"}]
    files = {"tokenizer.json": b"{}", "merges.txt": b""}
    store.save(directory, tiny(), text=Text(files), trained_on=trained_on, settings={"order": (1, 2), 3: None})
    stored = store.load(str(directory))
    assert equal(stored.model, tiny())
    assert (stored.text, stored.payloads) == ({"tokenizer": "bpe"}, files)
    assert stored.config["trained_on"] == trained_on
    assert stored.config["settings"] == {"order": [1, 2], "3": None}
    assert store.verify(directory) is None


def test_what_a_directory_holds(saved):
    assert [re.sub(HASH, "…", name) for name in names_in(saved)] == [
        "config.json",
        "tokenizer-….json",
        "vocabulary-….safetensors",
        "weights-….safetensors",
    ]
    config = json.loads((saved / "config.json").read_text())
    weights = payload(saved, "weights")
    digest = durable.file_sha256(weights)
    assert config["payloads"]["weights.safetensors"] == {
        "file": f"weights-{digest[:16]}.safetensors",
        "bytes": weights.stat().st_size,
        "sha256": digest,
        "header_sha256": durable.sha256([weights.read_bytes()[: header_length(weights.read_bytes())]]),
    }
    del config["payloads"], config["checksum"]
    assert config == {
        "format_version": 2,
        "kind": "tiny",
        "parameters": {"number": 1},
        "vocabulary": {"unk": 0, "bos": 1, "eos": 2},
        "text": {"tokenizer": "bpe"},
        "trained_on": [],
        "settings": None,
    }


def test_the_safetensors_library_reads_the_payloads(saved):
    library = safetensors.numpy.load_file(payload(saved, "weights"))
    for name, array in tiny().arrays().items():
        assert np.array_equal(library[name], array)


def test_arrays_are_mapped_read_only_and_aligned(saved):
    model = store.load(saved).model
    for array in [*model.arrays().values(), *model.vocabulary.arrays().values()]:
        assert type(array) is np.ndarray
        assert isinstance(array.base, np.ndarray) and not array.flags.owndata
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous and array.flags.aligned and not array.flags.writeable
    assert model.vocabulary["word3"] == 5  # the compiled look-up takes mapped arrays


def test_saving_again_replaces_the_model_and_keeps_other_files(saved):
    (saved / "README.md").write_text("mine")
    (saved / "notes-0123456789abcdef.txt").write_text("looks like a payload, is not one")
    (saved / ".nextword-0123456789abcdef.tmp").write_text("left by a killed save")
    orphan = saved / manifest.payload_file("old.json", durable.sha256([b"left too"]))
    orphan.write_bytes(b"left too")
    before = store.load(saved).model
    store.save(saved, tiny(2))
    assert equal(store.load(saved).model, tiny(2))
    assert equal(before, tiny())  # its map outlives its file
    assert [re.sub(HASH, "…", name) for name in names_in(saved)] == [
        "README.md",
        "config.json",
        "notes-….txt",
        "vocabulary-….safetensors",
        "weights-….safetensors",
    ]


def test_a_mapped_model_is_saved_over_itself(saved):
    store.save(saved, store.load(saved).model, settings={"pruned": True})
    assert equal(store.load(saved).model, tiny())
    store.verify(saved)


def test_saving_the_same_model_mends_a_damaged_payload(saved):
    file = payload(saved, "weights")
    file.write_bytes(bytes(file.stat().st_size))
    store.save(saved, tiny())
    store.verify(saved)


def test_a_load_that_a_save_overtakes_gives_the_new_model(saved, monkeypatch):
    read = manifest.read_config
    reads = []

    def read_then_save(directory):
        config = read(directory)
        reads.append(config)
        if len(reads) == 1:
            store.save(directory, tiny(2))
        return config

    monkeypatch.setattr(store, "read_config", read_then_save)
    assert equal(store.load(saved).model, tiny(2))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot lock a directory")
def test_saves_at_the_same_time_wait_for_each_other_and_loads_for_none(tmp_path):
    store.save(tmp_path, tiny(0))

    def save_often(number):
        for _ in range(20):
            store.save(tmp_path, tiny(number))

    with ThreadPoolExecutor(3) as pool:
        saving = [pool.submit(save_often, number) for number in (1, 2, 3)]
        while not all(done.done() for done in saving):
            store.load(tmp_path)
        for done in saving:
            done.result()
    store.verify(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot sync a directory")
def test_payloads_are_synced_before_the_configuration_names_them(tmp_path, monkeypatch):
    happened = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor):
        happened.append("sync directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        sync(descriptor)

    def replaced(file, target):
        happened.append(re.sub(HASH, "…", Path(target).name))
        return replace(file, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    store.save(tmp_path, tiny())
    assert happened == [
        *("sync file", "vocabulary-….safetensors"),
        *("sync file", "weights-….safetensors"),
        "sync directory",
        *("sync file", "config.json"),
        "sync directory",
    ]


# ---- refusals to save


def test_a_file_is_not_overwritten(tmp_path):
    file = tmp_path / "corpus.txt"
    file.write_text("students opened their books")
    with refused(f"{file}: is a file, expected a directory; choose another name"):
        store.save(file, tiny())
    assert file.read_text() == "students opened their books"


@pytest.mark.parametrize("name", ["thesis.txt", "config.json", "weights.safetensors"])
def test_a_foreign_directory_is_not_touched(tmp_path, name):
    (tmp_path / name).write_text('{"model_type": "gpt2"}')
    message = f"{tmp_path}: is not empty and holds no nextword model; choose another directory or empty it"
    with refused(message):
        store.save(tmp_path, tiny())
    assert names_in(tmp_path) == [name]


def test_what_a_first_killed_save_left_does_not_stop_the_next(tmp_path):
    (tmp_path / ".nextword-0123456789abcdef.tmp").touch()
    (tmp_path / manifest.payload_file("weights.safetensors", durable.sha256([]))).touch()
    store.save(tmp_path, tiny())
    assert len(names_in(tmp_path)) == 3


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": "huge"}, f"its kind 'huge' is unknown, expected one of {', '.join(store.KINDS)}"),
        ({"number": float("nan")}, "Out of range float values are not JSON compliant"),
        ({"number": {1}}, "Object of type set is not JSON serializable"),
        ({"number": "x" * (9 << 20)}, "its description takes 9437"),
        ({"_arrays": {"_fill": np.zeros(1)}}, "an array cannot be named '_fill', which the format reserves; rename it"),
    ],
)
def test_a_model_that_cannot_be_saved_leaves_no_trace(tmp_path, changes, problem):
    model = tiny()
    vars(model).update(changes)
    directory = tmp_path / "model"
    with pytest.raises(StoreError, match=f"^{re.escape(f'{directory}: this model cannot be saved: {problem}')}"):
        store.save(directory, model)
    assert not directory.exists()


@pytest.mark.parametrize("name", ["../tokenizer.json", "tokenizer", "weights.safetensors", "a/b.json", "config-1.json"])
def test_a_text_payload_needs_a_plain_name(tmp_path, name):
    problem = f"this model cannot be saved: a text payload is named {name!r}, expected a name such as 'tokenizer.json'"
    with refused(f"{tmp_path}: {problem}"):
        store.save(tmp_path, tiny(), text=Text({name: b""}))


def test_a_full_disk_leaves_the_old_model(saved, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    before = names_in(saved)
    monkeypatch.setattr(os, "fsync", full)
    with refused(f"{saved}: cannot be written: No space left on device"):
        store.save(saved, tiny(2))
    assert names_in(saved) == before
    assert equal(store.load(saved).model, tiny())


# ---- refusals to load


def test_a_missing_directory_is_refused(tmp_path):
    with refused(f"{tmp_path / 'none'}: there is no such directory; give the directory of a saved model"):
        store.load(tmp_path / "none")


def test_a_file_is_refused(saved):
    file = saved / "config.json"
    with refused(f"{file}: is a file; give the directory of a saved model"):
        store.load(file)


def test_a_directory_without_config_is_refused(tmp_path):
    message = f"{tmp_path}: holds no config.json, so it is not a model; give the directory of a saved model"
    with refused(message):
        store.load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 99_999, b'{"a":' + b"1" * 5000, b" " * (9 << 20)]
)
def test_a_config_that_is_no_object_is_refused(saved, content):
    (saved / "config.json").write_bytes(content)
    with refused(f"{saved / 'config.json'}: is not a JSON object of at most 8 MiB; {REMEDY}"):
        store.load(saved)


def test_a_config_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "config.json").mkdir()
    with refused(f"{tmp_path / 'config.json'}: is not a regular file; {REMEDY}"):
        store.load(tmp_path)


@pytest.mark.parametrize("field", ["kind", "parameters", "vocabulary", "text", "trained_on", "settings", "payloads"])
@pytest.mark.parametrize("value", [..., 7])
def test_a_field_that_is_missing_or_of_the_wrong_type_is_refused(saved, field, value):
    rewrite(saved, **{field: value})
    with refused(f"{saved / 'config.json'}: field {field!r} is missing or of the wrong type; {REMEDY}"):
        store.load(saved)


@pytest.mark.parametrize("version", [..., None, "1", 1.0, True, 0, -1])
def test_a_config_without_a_version_is_refused(saved, version):
    rewrite(saved, format_version=version)
    problem = "has no format version, so nextword did not write it; give another directory"
    with refused(f"{saved / 'config.json'}: {problem}"):
        store.load(saved)


def test_a_newer_version_is_refused_whatever_else_it_holds(saved):
    (saved / "config.json").write_text('{"format_version": 3}')
    problem = "has format version 3, this nextword reads up to 2; upgrade nextword"
    with refused(f"{saved / 'config.json'}: {problem}"):
        store.load(saved)


def test_an_older_version_is_refused_whatever_else_it_holds(saved):
    (saved / "config.json").write_text('{"format_version": 1}')
    problem = (
        "has format version 1, of a nextword before its first release, and this nextword reads version 2; "
        "train the model again"
    )
    with refused(f"{saved / 'config.json'}: {problem}"):
        store.load(saved)


def test_an_unknown_kind_is_refused(saved):
    rewrite(saved, kind="os:system")
    problem = f"its kind 'os:system' is unknown, expected one of {', '.join(store.KINDS)}; upgrade nextword"
    with refused(f"{saved}: {problem}"):
        store.load(saved)


def test_an_edited_config_is_refused(saved):
    file = saved / "config.json"
    file.write_text(file.read_text().replace('"number": 1', '"number": 2'))
    with refused(f"{file}: was changed after it was saved (its checksum differs); {REMEDY}"):
        store.load(saved)


def test_a_reformatted_config_is_the_same_config(saved):
    file = saved / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True))
    assert equal(store.load(saved).model, tiny())


@pytest.mark.parametrize("stem", ["vocabulary", "weights", "tokenizer"])
def test_a_missing_payload_is_refused(saved, stem):
    file = payload(saved, stem)
    file.unlink()
    for use in (store.load, store.verify):
        with refused(f"{file}: is missing, though config.json names it; {REMEDY}"):
            use(saved)


@pytest.mark.parametrize("stem", ["vocabulary", "weights", "tokenizer"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_payload_of_another_size_is_refused(saved, stem, change):
    file = payload(saved, stem)
    data = file.read_bytes()
    file.write_bytes(data[:change] if change < 0 else data + b" ")
    for use in (store.load, store.verify):
        with refused(f"{file}: has {len(data) + change} bytes, expected {len(data)}; {REMEDY}"):
            use(saved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_payload_is_refused_at_once(saved):
    file = payload(saved, "weights")
    file.unlink()
    os.mkfifo(file)
    with refused(f"{file}: is not a regular file; {REMEDY}"):
        store.load(saved)


@pytest.mark.parametrize("file", ["../weights.safetensors", "/etc/passwd", "weights.safetensors", 7])
def test_a_payload_elsewhere_is_refused(saved, file):
    payloads = store.load(saved).config["payloads"]
    expected = payloads["weights.safetensors"]["file"]
    rewrite(saved, payloads=payloads | {"weights.safetensors": payloads["weights.safetensors"] | {"file": file}})
    problem = f"puts a payload in {file!r}, expected {expected!r}"
    with refused(f"{saved / 'config.json'}: {problem}; {REMEDY}"):
        store.load(saved)


@pytest.mark.parametrize("name", ["weights.safetensors", "../evil.json"])
@pytest.mark.parametrize("value", [None, {}, {"file": "x"}])
def test_a_payload_that_is_not_described_is_refused(saved, name, value):
    rewrite(saved, payloads=store.load(saved).config["payloads"] | {name: value})
    with refused(f"{saved / 'config.json'}: payload {name!r} is missing or not described; {REMEDY}"):
        store.load(saved)


@pytest.mark.parametrize(
    "change", [{"bytes": "3"}, {"bytes": True}, {"sha256": 7}, {"sha256": "../" + 61 * "0"}, {"header_sha256": ""}]
)
def test_a_payload_without_size_or_hash_is_refused(saved, change):
    payloads = store.load(saved).config["payloads"]
    rewrite(saved, payloads=payloads | {"weights.safetensors": payloads["weights.safetensors"] | change})
    with refused(f"{saved / 'config.json'}: payload 'weights.safetensors' has no size or no SHA-256; {REMEDY}"):
        store.load(saved)


def test_arrays_of_a_wrong_shape_are_refused(saved):
    model = tiny()
    model.arrays()["word"] = model.arrays()["word"][:-1].copy()
    store.save(saved, model)
    problem = "its parts do not fit together: inner is not (N, 2) float32, or word is not (N,) uint32"
    with refused(f"{saved}: {problem}; {REMEDY}"):
        store.load(saved)


def test_a_missing_array_is_refused(saved):
    model = tiny()
    del model.arrays()["word"]
    store.save(saved, model)
    with refused(f"{saved}: its parts do not fit together: 'word'; {REMEDY}"):
        store.load(saved)


def test_special_tokens_outside_the_vocabulary_are_refused(saved):
    rewrite(saved, vocabulary={"unk": 0, "bos": 1, "eos": 99})
    with pytest.raises(StoreError, match="its parts do not fit together: the vocabulary's arrays do not fit"):
        store.load(saved)


@pytest.mark.parametrize("stem", ["vocabulary", "weights"])
def test_a_changed_header_is_refused(saved, stem):
    file = payload(saved, stem)
    file.write_bytes(file.read_bytes().replace(b"_fill", b"extra", 1))
    with refused(f"{file}: its header was changed after it was saved; {REMEDY}"):
        store.load(saved)


@pytest.mark.parametrize("stem", ["vocabulary", "weights", "tokenizer"])
def test_verify_finds_a_flipped_bit(saved, stem):
    file = payload(saved, stem)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    expected, actual = file.stem.partition("-")[2], durable.file_sha256(file)[:16]
    with refused(f"{file}: has SHA-256 {actual}…, expected {expected}…; {REMEDY}"):
        store.verify(saved)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_payload_is_refused(saved):
    file = payload(saved, "weights")
    file.chmod(0)
    with refused(f"{file}: cannot be read: Permission denied"):
        store.load(saved)


# ---- fuzzing: a NextwordError or the right model, nothing else


class Victim(NamedTuple):
    """A saved model whose files are damaged and mended again and again."""

    directory: Path
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fuzz")
    store.save(directory, tiny(), text=Text({"tokenizer.json": b'{"merges": []}'}), settings={"order": 5})
    files = {file.name.partition("-")[0]: file.read_bytes() for file in directory.iterdir()}
    assert set(files) == {"config.json", "vocabulary", "weights", "tokenizer"}
    return Victim(directory, files)


def load_damaged(victim, stem, data):
    """Load with one file replaced by ``data``: refused, or right."""
    file = victim.directory / stem if stem == "config.json" else payload(victim.directory, stem)
    file.write_bytes(data)
    try:
        stored = store.load(victim.directory)
    except NextwordError as error:
        assert str(error).startswith(str(victim.directory))
    else:
        assert equal(stored.model, tiny())
        assert stored.config["settings"] == {"order": 5}
        assert stored.payloads == {"tokenizer.json": victim.files["tokenizer"]}
    finally:
        file.write_bytes(victim.files[stem])


def checked_at_opening(victim, stem):
    """Length of the part of a file where no damage may go unseen: all of it, or a payload's header."""
    data = victim.files[stem]
    return len(data) if stem in ("config.json", "tokenizer") else header_length(data)


@pytest.mark.parametrize("stem", ["config.json", "vocabulary", "weights", "tokenizer"])
def test_every_bit_flip_is_refused_or_harmless(victim, stem):
    original = victim.files[stem]
    for position in range(checked_at_opening(victim, stem)):
        data = bytearray(original)
        data[position] ^= 1 << position % 8
        load_damaged(victim, stem, data)


@pytest.mark.parametrize("stem", ["config.json", "vocabulary", "weights", "tokenizer"])
@given(data=st.data())
def test_changed_bytes_are_refused_or_harmless(victim, stem, data):
    damaged = bytearray(victim.files[stem])
    positions = st.integers(0, checked_at_opening(victim, stem) - 1)
    for position, byte in data.draw(st.dictionaries(positions, st.integers(0, 255), min_size=1, max_size=8)).items():
        damaged[position] = byte
    load_damaged(victim, stem, damaged)


@pytest.mark.parametrize("stem", ["config.json", "vocabulary", "weights", "tokenizer"])
@given(data=st.data())
def test_truncations_are_refused(victim, stem, data):
    length = data.draw(st.integers(0, len(victim.files[stem]) - 1))
    load_damaged(victim, stem, victim.files[stem][:length])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
def test_any_signed_config_is_refused_or_loads(victim, data):
    """As though the writer itself were wrong: one value anywhere is another, and the checksum is right."""
    config = json.loads(victim.files["config.json"])
    config.pop("checksum")
    place = config
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not (isinstance(place[key], dict) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    file = victim.directory / "config.json"
    file.write_bytes(manifest.dump(config))
    try:
        store.load(victim.directory)
    except NextwordError as error:
        assert str(error).startswith(str(victim.directory))
    finally:
        file.write_bytes(victim.files["config.json"])


# ---- killing


def large(number):
    """A model of 1.6 MB, so that a kill often falls within a write."""
    return tiny(number, rows=100_000)


def serve_kills(directory):
    """Fork a process for each line of standard input and say what became of it.

    ``after SECONDS``: it saves A and B in turn and is killed after that long. ``at STEP``: it saves B once and kills
    itself before that many files have been opened, renamed or deleted. Forked, because a fresh interpreter would take
    longer to start than all the saves together.
    """
    store.KINDS["tiny"] = "__main__:Tiny"
    models = [large(1), large(2)]
    for line in sys.stdin:
        how, when = line.split()
        child = os.fork()
        if child == 0 and how == "at":
            sys.addaudithook(killer(int(when)))
            store.save(directory, tiny(2))
            os._exit(0)
        while child == 0:
            for model in models:
                store.save(directory, model)
        if how == "after":
            time.sleep(float(when))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "finished", flush=True)


def killer(steps):
    """An audit hook that kills its process before the step after so many."""
    left = iter(range(steps))

    def hook(event, _):
        if event in ("open", "os.rename", "os.remove") and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


@pytest.fixture
def kill(tmp_path):
    """``kill("after 0.1")``: what ``serve_kills`` says, saving into ``tmp_path``."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    command = [sys.executable, __file__, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def ask(line):
            server.stdin.write(line + "\n")
            server.stdin.flush()
            return server.stdout.readline().strip()

        yield ask
        server.stdin.close()


def test_a_killed_save_leaves_the_old_model_or_the_new_one(tmp_path, kill):
    models = [large(1), large(2)]
    store.save(tmp_path, models[0])
    whole = len(names_in(tmp_path))
    delays = random.Random(0)
    survivors, debris = set(), 0
    for trial in range(200):
        if trial >= 40 and survivors == {0, 1} and debris:
            break
        longest = 0.12 + max(trial - 40, 0) / 100  # a busy machine is slow
        assert kill(f"after {delays.uniform(0.0, longest)}") == "killed"
        store.verify(tmp_path)
        loaded = store.load(tmp_path).model
        (survivor,) = (number for number, model in enumerate(models) if equal(loaded, model))
        survivors.add(survivor)
        debris += len(names_in(tmp_path)) > whole
    assert survivors == {0, 1}  # some saves did finish,
    assert debris  # and some kills did fall within one
    store.save(tmp_path, models[1])
    assert len(names_in(tmp_path)) == whole
    store.verify(tmp_path)


def test_a_save_killed_at_each_step_leaves_the_old_model_or_the_new_one(tmp_path, kill):
    outcomes = []
    while not outcomes or outcomes[-1][0] == "killed":
        store.save(tmp_path, tiny(1))
        said = kill(f"at {len(outcomes)}")
        store.verify(tmp_path)
        loaded = store.load(tmp_path).model
        outcomes.append((said, [equal(loaded, tiny(1)), equal(loaded, tiny(2))]))
    old, new = [True, False], [False, True]
    replaced = next(step for step, (_, found) in enumerate(outcomes) if found == new)
    assert [found for _, found in outcomes] == [old] * replaced + [new] * (len(outcomes) - replaced)
    assert replaced > 8  # three temporaries, their renames, the directory's locks and syncs were steps of their own


def test_a_first_save_killed_at_each_step_leaves_nothing_or_the_model(tmp_path, kill):
    said, step = "killed", 0
    while said == "killed":
        for file in tmp_path.iterdir():
            file.unlink()
        said = kill(f"at {step}")
        step += 1
        if (tmp_path / "config.json").exists():
            store.verify(tmp_path)
            assert equal(store.load(tmp_path).model, tiny(2))
        store.save(tmp_path, tiny(3))
        assert len(names_in(tmp_path)) == 3


if __name__ == "__main__":
    serve_kills(Path(sys.argv[1]))
