"""``config.json``: what a model directory says about itself, and which payload files belong to it.

format_version   2; a directory with another one is refused
kind             which class opens it
parameters       the model's own: order, sizes, names
vocabulary       ids of the special tokens
text             its normaliser and tokenizer
trained_on       one object per file: path, bytes, sha256
settings         how it was trained, or null
payloads         {"weights.safetensors": {"file": "weights-<first 16 digits of sha256>.safetensors", "bytes", "sha256"}}
checksum         SHA-256 of all the other values, so that no change of a digit goes unseen
"""

import json
import re
from pathlib import Path

from nextword import durable
from nextword.durable import REMEDY
from nextword.errors import StoreError
from nextword.types import Json

FORMAT_VERSION = 2
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocabulary.safetensors", "weights.safetensors"
_SIZE_LIMIT = 8 << 20
_PAYLOAD_NAME = re.compile(r"[a-z_]+\.[a-z]+")
_FIELDS: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "parameters": (dict,),
    "vocabulary": (dict,),
    "text": (dict,),
    "trained_on": (list,),
    "settings": (dict, type(None)),
    "payloads": (dict,),
}


def read_config(directory: str | Path) -> Json:
    """A model directory's configuration, its checksum and the types of its fields checked; opens no payload.

    Raises StoreError if there is none, or it is not what ``write_config`` wrote.
    """
    path = Path(directory)
    file = path / CONFIG
    with durable.system_errors_named(file, "read"):
        if not path.exists():
            raise StoreError(f"{path}: there is no such directory; give the directory of a saved model")
        if not path.is_dir():
            raise StoreError(f"{path}: is a file; give the directory of a saved model")
        if not file.exists():
            raise StoreError(f"{path}: holds no {CONFIG}, so it is not a model; give the directory of a saved model")
        config = parse(file)
    if config is None:
        raise StoreError(f"{file}: is not a JSON object of at most {_SIZE_LIMIT >> 20} MiB; {REMEDY}")
    _check(file, config)
    return config


def parse(file: Path) -> Json | None:
    """The JSON object in a file, or None if there is none or it is too large to be a configuration."""
    if durable.regular_size(file) > _SIZE_LIMIT:
        return None
    try:
        value = json.loads(file.read_bytes().decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_pretrained(path: Path) -> bool:
    """Whether there is a model of another make: a GGUF file, a directory with one, or a Hugging Face directory."""
    if path.is_file():
        return path.suffix.lower() == ".gguf"
    if not (path / CONFIG).is_file():
        return path.is_dir() and any(path.glob("*.gguf"))
    config = parse(path / CONFIG) or {}
    return "format_version" not in config and ("model_type" in config or "architectures" in config)


def dump(config: Json) -> bytes:
    """The bytes of ``config.json``, the checksum added.

    Raises TypeError or ValueError for what JSON cannot say (an object, a NaN, an infinity) and for more than ``parse``
    reads.
    """
    values = json.loads(json.dumps(config, allow_nan=False))  # as they will be read: tuples are lists, keys are strings
    text = json.dumps({**values, "checksum": _checksum(values)}, indent=2).encode() + b"\n"
    if len(text) > _SIZE_LIMIT:
        raise ValueError(f"its description takes {len(text)} bytes, expected at most {_SIZE_LIMIT}")
    return text


def is_payload_name(name: str) -> bool:
    """Whether ``name`` is of the form stem.suffix, lower-case letters and underscores alone."""
    return _PAYLOAD_NAME.fullmatch(name) is not None


def payload_file(name: str, sha256: str) -> str:
    """The file that holds a payload.

    >>> payload_file("weights.safetensors", 64 * "0")
    'weights-0000000000000000.safetensors'
    """
    stem, suffix = name.split(".")
    return f"{stem}-{sha256[:16]}.{suffix}"


def _check(file: Path, config: Json) -> None:
    version = config.get("format_version")
    if type(version) is not int or version < 1:
        raise StoreError(f"{file}: has no format version, so nextword did not write it; give another directory")
    if version > FORMAT_VERSION:
        raise StoreError(
            f"{file}: has format version {version}, this nextword reads up to {FORMAT_VERSION}; upgrade nextword"
        )
    if version < FORMAT_VERSION:
        raise StoreError(
            f"{file}: has format version {version}, of a nextword before its first release, and this nextword reads "
            f"version {FORMAT_VERSION}; train the model again"
        )
    if config.get("checksum") != _checksum(config):
        raise StoreError(f"{file}: was changed after it was saved (its checksum differs); {REMEDY}")
    for field, types in _FIELDS.items():
        if not isinstance(config.get(field, ...), types):
            raise StoreError(f"{file}: field {field!r} is missing or of the wrong type; {REMEDY}")
    for name in (VOCABULARY, WEIGHTS, *config["payloads"]):
        _check_payload(file, name, config["payloads"].get(name))


def _check_payload(file: Path, name: str, entry: object) -> None:
    hashes = ["sha256", "header_sha256"] if name.endswith(".safetensors") else ["sha256"]
    if not is_payload_name(name) or not isinstance(entry, dict) or set(entry) != {"file", "bytes", *hashes}:
        raise StoreError(f"{file}: payload {name!r:.80} is missing or not described; {REMEDY}")
    if type(entry["bytes"]) is not int or not all(_is_sha256(entry[key]) for key in hashes):
        raise StoreError(f"{file}: payload {name!r:.80} has no size or no SHA-256; {REMEDY}")
    expected = payload_file(name, entry["sha256"])
    if entry["file"] != expected:
        raise StoreError(f"{file}: puts a payload in {entry['file']!r:.80}, expected {expected!r}; {REMEDY}")


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _checksum(config: Json) -> str:
    """SHA-256 of a configuration's values, however they are spaced or ordered in the file."""
    values = {name: value for name, value in config.items() if name != "checksum"}
    return durable.sha256([json.dumps(values, sort_keys=True, separators=(",", ":")).encode()])
