"""Save and load a model directory: ``config.json`` and the payloads that it names by their hashes.

    config.json                       see ``manifest``
    vocabulary-<hash>.safetensors     the vocabulary's arrays
    weights-<hash>.safetensors        the model's arrays
    tokenizer-<hash>.json             what the text pipeline keeps beside its configuration, if anything

A save writes and syncs new payloads, replaces ``config.json`` last and then deletes what it no longer names: a crash
leaves the old model or the new one. Arrays are memory-mapped, so a model of any size opens in the same few
milliseconds. Nothing is unpickled.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from nextword import durable, tensors
from nextword.durable import REMEDY, Blocks
from nextword.errors import NextwordError, StoreError
from nextword.kinds import KINDS, model_class
from nextword.manifest import (
    CONFIG,
    FORMAT_VERSION,
    VOCABULARY,
    WEIGHTS,
    dump,
    is_payload_name,
    parse,
    payload_file,
    read_config,
)
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

_PAYLOAD_FILE = re.compile(r"[a-z_]+-(?P<hash>[0-9a-f]{16})\.[a-z]+")
_ATTEMPTS = 10

Result = TypeVar("Result")


class Storable(Protocol):
    """A model that can be saved; its class also has ``from_arrays(parameters, arrays, vocabulary)``."""

    kind: ClassVar[str]
    vocabulary: Vocabulary

    def parameters(self) -> Json:
        """What is not an array: orders, sizes, names."""
        ...

    def arrays(self) -> dict[str, Array]:
        """Its arrays by name."""
        ...


class StorableText(Protocol):
    """A text pipeline that can be saved with a model."""

    def config(self) -> Json:
        """Its normaliser and tokenizer, by name and options."""
        ...

    def payloads(self) -> dict[str, bytes]:
        """The files that it needs beside, such as ``tokenizer.json``."""
        ...


class Stored(NamedTuple):
    """A model directory's contents; ``text`` and ``payloads`` are what the text pipeline gave to ``save``."""

    model: Any
    text: Json
    payloads: dict[str, bytes]
    config: Json


def save(
    directory: str | Path,
    model: Storable,
    *,
    text: StorableText | None = None,
    trained_on: Sequence[Json] = (),
    settings: Json | None = None,
) -> None:
    """Write ``model`` to ``directory``, in place of the model there if there is one.

    text: what made tokens of text. trained_on: one object per file (path, bytes, sha256). settings: how it was trained.
    At every moment the directory holds the old model or the new one, whole; files that are not nextword's stay. Two
    saves into one directory wait for each other. Raises StoreError if the path is a file, or a directory with other
    things in it and no model, or if the model or the disk does not allow it.
    """
    path = Path(directory)
    try:
        config = _describe(model, text, trained_on, settings)
        contents = _contents(model, {} if text is None else text.payloads())
        dump(config)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{path}: this model cannot be saved: {error}") from error
    check_target(path)
    with durable.system_errors_named(path, "written"):
        path.mkdir(parents=True, exist_ok=True)
        with durable.locked(path) as alone:
            previous = _claim(path)
            payloads = {name: _write_payload(path, name, blocks) for name, blocks in contents.items()}
            durable.sync_directory(path)
            with durable.temporary(path) as file:
                durable.write(file, [dump({**config, "payloads": payloads})])
                file.replace(path / CONFIG)
            durable.sync_directory(path)
            _delete_unnamed(path, {entry["file"] for entry in payloads.values()}, previous, alone)


def check_target(directory: str | Path) -> None:
    """What ``save`` would refuse of the place itself, for those who want to know before hours of training."""
    path = Path(directory)
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: is a file, expected a directory; choose another name")
    if path.is_dir():
        with durable.system_errors_named(path, "written"):
            _claim(path)


def load(directory: str | Path) -> Stored:
    """The model in ``directory``; its arrays are memory-mapped and read-only.

    Checks the configuration, the headers, every size and shape; ``verify`` checks the arrays' bytes too. Raises
    StoreError; its message begins with the file or directory that is wrong.
    """
    return _consistently(Path(directory), _open)


def size(directory: str | Path) -> int:
    """Bytes on disk of the model in ``directory``, configuration and payloads. Raises StoreError if there is none."""
    payloads = sum(int(entry["bytes"]) for entry in read_config(directory)["payloads"].values())
    return (Path(directory) / CONFIG).stat().st_size + payloads


def expected_size(
    model: Storable,
    parameters: Json,
    arrays: Mapping[str, Array],
    *,
    text: StorableText | None = None,
    trained_on: Sequence[Json] = (),
    settings: Json | None = None,
) -> int:
    """Bytes that ``save`` would take on disk for ``model``, had it these parameters and arrays of these shapes.

    The arrays' contents are not read. The others: as for ``save``.
    """
    sizes = {VOCABULARY: tensors.file_size(model.vocabulary.stored()), WEIGHTS: tensors.file_size(arrays)}
    sizes |= {name: len(data) for name, data in ({} if text is None else text.payloads()).items()}
    config = _describe(model, text, trained_on, settings) | {"parameters": parameters}
    payloads = {name: _entry(name, size, "0" * 64, "0" * 64) for name, size in sizes.items()}
    return len(dump({**config, "payloads": payloads})) + sum(sizes.values())


def verify(directory: str | Path) -> None:
    """Read every payload and compare it with its hash; the first that differs is a StoreError."""
    _consistently(Path(directory), _check_hashes)


def _describe(model: Storable, text: StorableText | None, trained_on: Sequence[Json], settings: Json | None) -> Json:
    if model.kind not in KINDS:
        raise ValueError(f"its kind {model.kind!r} is unknown, expected one of {', '.join(KINDS)}")
    return {
        "format_version": FORMAT_VERSION,
        "kind": model.kind,
        "parameters": model.parameters(),
        "vocabulary": model.vocabulary.specials(),
        "text": {} if text is None else text.config(),
        "trained_on": list(trained_on),
        "settings": settings,
    }


def _contents(model: Storable, beside: Mapping[str, bytes]) -> dict[str, Blocks]:
    """The bytes of every payload, by name, in blocks to be written one after another."""
    for name in beside:
        if not is_payload_name(name) or name in (VOCABULARY, WEIGHTS):
            raise ValueError(f"a text payload is named {name!r}, expected a name such as 'tokenizer.json'")
    return {
        VOCABULARY: tensors.lay_out(model.vocabulary.stored()),
        WEIGHTS: tensors.lay_out(model.arrays()),
        **{name: [data] for name, data in beside.items()},
    }


def _claim(directory: Path) -> set[str]:
    """Files that the directory's model, if any, names now; StoreError if it holds other things and no model."""
    names = [file.name for file in directory.iterdir()]
    config = parse(directory / CONFIG) if CONFIG in names else None
    if config is not None and "format_version" in config and isinstance(config.get("payloads"), dict):
        return {
            str(entry["file"]) for entry in config["payloads"].values() if isinstance(entry, dict) and "file" in entry
        }
    if not all(_PAYLOAD_FILE.fullmatch(name) or durable.is_temporary(name) for name in names):
        raise StoreError(f"{directory}: is not empty and holds no nextword model; choose another directory or empty it")
    return set()


def _write_payload(directory: Path, name: str, blocks: Blocks) -> Json:
    """Write and sync one payload under the name that its hash gives it; returns its entry in the configuration."""
    with durable.temporary(directory) as file:
        digest = durable.write(file, blocks)
        size = file.stat().st_size
        final = directory / payload_file(name, digest)
        try:
            file.replace(final)
        except PermissionError:  # Windows: the same bytes are there already, and some process has them mapped
            if not final.exists() or final.stat().st_size != size:
                raise
    return _entry(name, size, digest, durable.sha256(blocks[:1]))


def _entry(name: str, size: int, digest: str, header_digest: str) -> Json:
    """What the configuration says of a payload."""
    header = {"header_sha256": header_digest} if name.endswith(".safetensors") else {}
    return {"file": payload_file(name, digest), "bytes": size, "sha256": digest, **header}


def _delete_unnamed(directory: Path, named: set[str], previous: set[str], alone: bool) -> None:
    """Delete the previous model's payloads and, if no one else can be saving, what killed saves have left."""
    for file in list(directory.iterdir()):
        with suppress(OSError):  # Windows: some process has it mapped; a later save deletes it
            if file.name not in named and _is_ours(file, previous, alone):
                file.unlink()


def _is_ours(file: Path, previous: set[str], alone: bool) -> bool:
    """A user's file may look like a payload: unless a model named it, its content must have the hash in its name."""
    if durable.is_temporary(file.name):
        return alone
    form = _PAYLOAD_FILE.fullmatch(file.name)
    if form is None or not file.is_file():
        return False
    return file.name in previous or (alone and durable.file_sha256(file).startswith(form["hash"]))


def _open(directory: Path, config: Json) -> Stored:
    files = _payload_files(directory, config)
    arrays = {
        name: tensors.map_file(files.pop(name), header_sha256=config["payloads"][name]["header_sha256"])
        for name in (VOCABULARY, WEIGHTS)
    }
    beside = {name: file.read_bytes() for name, file in files.items()}
    for name, data in beside.items():
        _check_hash(files[name], config["payloads"][name]["sha256"], durable.sha256([data]))
    try:
        opened = model_class(config["kind"])
        vocabulary = Vocabulary.from_arrays(arrays[VOCABULARY], config["vocabulary"])
        model = opened.from_arrays(config["parameters"], arrays[WEIGHTS], vocabulary)
    except StoreError as error:  # the kind, or that of a member, cannot be opened here
        raise StoreError(f"{directory}: {error}") from error
    except (NextwordError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise StoreError(f"{directory}: its parts do not fit together: {error}; {REMEDY}") from error
    return Stored(model, config["text"], beside, config)


def _check_hashes(directory: Path, config: Json) -> None:
    for name, file in _payload_files(directory, config).items():
        _check_hash(file, config["payloads"][name]["sha256"], durable.file_sha256(file))


def _check_hash(file: Path, expected: str, actual: str) -> None:
    if actual != expected:
        raise StoreError(f"{file}: has SHA-256 {actual[:16]}…, expected {expected[:16]}…; {REMEDY}")


def _payload_files(directory: Path, config: Json) -> dict[str, Path]:
    """Where each payload is; its size must be what the configuration says."""
    files = {name: directory / entry["file"] for name, entry in config["payloads"].items()}
    for name, file in files.items():
        size, expected = durable.regular_size(file), config["payloads"][name]["bytes"]
        if size != expected:
            raise StoreError(f"{file}: has {size} bytes, expected {expected}; {REMEDY}")
    return files


def _consistently(directory: Path, use: Callable[[Path, Json], Result]) -> Result:
    """``use`` of a configuration and the payloads that it names; again if a save replaced them in between."""
    with durable.system_errors_named(directory, "read"):
        for _ in range(_ATTEMPTS):
            config = read_config(directory)
            try:
                return use(directory, config)
            except FileNotFoundError as error:
                missing = error.filename
            if read_config(directory) == config:
                break
        raise StoreError(f"{missing}: is missing, though {CONFIG} names it; {REMEDY}")
