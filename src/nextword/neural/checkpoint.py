"""A training run on disk: everything that it needs to go on as if nothing had happened, and nothing pickled.

    checkpoint.json              what must be the same when the run goes on, where it stands, and its payloads
    state-<hash>.safetensors     weights, their moving average, the optimiser's arrays, random states, carried state
    best-<hash>.safetensors      the weights that did best on the validation text, if they are not the latest
    metrics.jsonl, loss.png, tensorboard/

As a model directory is saved (``store``): payloads are written and synced first, ``checkpoint.json`` is replaced last,
and what it no longer names is deleted then. A process killed at any moment leaves the old checkpoint or the new one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nextword import durable, tensors
from nextword.errors import StoreError, TrainingError
from nextword.types import Json

FILE = "checkpoint.json"
FORMAT_VERSION = 2
_PAYLOADS = ("state", "best")
_REMEDY = "delete this folder and train again"
_INTEGERS = {torch.bfloat16: torch.int16}  # NumPy has no bfloat16: its bits are kept as integers
_ADVICE = {  # part of a run's identity → what to do if it differs
    "vocabulary": "resume with the same text, tokenizer and vocabulary options",
    "text": "resume with the text that it was begun with",
    "validation text": "resume with the validation text that it was begun with",
}


class Checkpoint:
    """The checkpoint in a folder: written again and again by a run, read by the one that resumes it."""

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self._entries: Json = {}

    def read(self) -> Json | None:
        """The document, or None if there is no checkpoint. Raises StoreError for anything else of its name."""
        file = self.directory / FILE
        with durable.system_errors_named(file, "read"):
            try:
                document = json.loads(file.read_bytes())
            except (FileNotFoundError, NotADirectoryError):
                return None
            except ValueError:
                document = None
        if not isinstance(document, dict) or not isinstance(document.get("payloads"), dict):
            raise StoreError(f"{file}: is not a checkpoint, or is damaged; {_REMEDY}")
        if document.get("format_version") != FORMAT_VERSION:
            raise StoreError(
                f"{file}: has format version {document.get('format_version')}, this nextword reads {FORMAT_VERSION}; "
                f"resume with the version that wrote it, or {_REMEDY}"
            )
        self._entries = document["payloads"]
        return document

    def tensors(self, name: str) -> dict[str, Tensor]:
        """A payload's tensors; none if the document that was read names no such payload. Raises StoreError."""
        if name not in self._entries:
            return {}
        entry = self._entries[name]
        file = self.directory / str(entry["file"])
        with durable.system_errors_named(file, "read"):
            if durable.file_sha256(file) != entry["sha256"]:
                raise StoreError(f"{file}: was changed after it was saved (its SHA-256 differs); {_REMEDY}")
            arrays = tensors.map_file(file)
        return {key: _tensor(array, entry["dtypes"].get(key)) for key, array in arrays.items()}

    def write(self, document: Json, payloads: Mapping[str, Mapping[str, Tensor] | None]) -> None:
        """Replace the checkpoint by another. A payload that is None stays as it was; one not named goes.

        Raises StoreError, and leaves what was there, if the disk does not allow it.
        """
        with durable.system_errors_named(self.directory, "written"):
            self.directory.mkdir(parents=True, exist_ok=True)
            entries = {
                name: self._entries.get(name) if given is None else self._write_payload(name, given)
                for name, given in payloads.items()
            }
            self._entries = {name: entry for name, entry in entries.items() if entry is not None}
            durable.sync_directory(self.directory)
            full = {"format_version": FORMAT_VERSION, **document, "payloads": self._entries}
            with durable.temporary(self.directory) as file:
                durable.write(file, [json.dumps(full, indent=1).encode() + b"\n"])
                file.replace(self.directory / FILE)
            durable.sync_directory(self.directory)
            self.delete_unnamed()

    def _write_payload(self, name: str, given: Mapping[str, Tensor]) -> Json:
        arrays = {key: _array(tensor) for key, tensor in given.items()}
        with durable.temporary(self.directory) as file:
            digest = durable.write(file, tensors.lay_out(arrays))
            final = f"{name}-{digest[:16]}.safetensors"
            file.replace(self.directory / final)
        dtypes = {key: str(tensor.dtype) for key, tensor in given.items() if tensor.dtype in _INTEGERS}
        return {"file": final, "sha256": digest, "dtypes": dtypes}

    def delete_unnamed(self) -> None:
        """Delete earlier payloads, and what killed writers have left."""
        named = {entry["file"] for entry in self._entries.values()}
        for file in list(self.directory.iterdir()):
            payload = file.suffix == ".safetensors" and file.name.partition("-")[0] in _PAYLOADS
            if file.name not in named and (payload or durable.is_temporary(file.name)):
                file.unlink(missing_ok=True)


def check_identity(directory: Path, before: Json, now: Json, *, free: tuple[str, ...]) -> None:
    """Raise TrainingError, which names what differs, unless a run is being resumed with what it was begun with.

    before, now: objects of objects, by what they describe; free: names of settings that may differ.
    """
    parts = [*_ADVICE, *(name for name in now if name not in _ADVICE)]  # what explains most comes first
    for part in parts:
        old, new = before.get(part), now.get(part)
        if not isinstance(old, dict) or not isinstance(new, dict):
            if old != new:
                raise TrainingError(f"{directory}: was begun with {_worded(part, old, new)}; {_advice(part)}")
            continue
        for name in sorted({*old, *new} - set(free)):
            if old.get(name) != new.get(name):
                said = _worded(name, old.get(name), new.get(name))
                raise TrainingError(f"{directory}: was begun with {said}; {_advice(part)}")


def _advice(part: str) -> str:
    return _ADVICE.get(part, "resume with the same settings, or train anew into another directory")


def _worded(name: str, old: Any, new: Any) -> str:
    if name in _ADVICE:
        described = [value if isinstance(value, str) else "none" for value in (old, new)]
        return f"another {name} ({described[0]}, now {described[1]})"
    return f"{name} {old}, not {new}"


def _array(tensor: Tensor) -> Any:
    held = tensor.detach().cpu()
    return (held.view(_INTEGERS[held.dtype]) if held.dtype in _INTEGERS else held).numpy()


def _tensor(array: Any, dtype: str | None) -> Tensor:
    """A tensor of its own memory: the file may be deleted by the next checkpoint."""
    found = torch.from_numpy(np.array(array))
    return found if dtype is None else found.view(getattr(torch, dtype.removeprefix("torch.")))
