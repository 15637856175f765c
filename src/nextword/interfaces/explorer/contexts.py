"""What a model expects after the texts that were looked at last: one more word costs one step, not all of them."""

import hashlib
from collections import OrderedDict
from typing import Any, TypeVar

import numpy as np

from nextword.model import LanguageModel
from nextword.types import Float_V, Ids_T, Json

_BYTES_KEPT = 32 << 20  # of distributions
_ANSWERS_KEPT = 4096
_STATES_KEPT = 16  # few, since a transformer's grow with the text
_STEPS_BACK = 8  # how many tokens a known context may be shorter than the one asked for

Value = TypeVar("Value")


class Contexts:
    """Distributions of the contexts of one model that were asked for last. Used by one thread at a time.

    answers: what was made of them, by ``key_of`` a context and whatever else it depends on.
    """

    def __init__(self, model: LanguageModel[Any]):
        self._model = model
        self._rows = Recent[Float_V](min(4096, max(16, _BYTES_KEPT // (8 * len(model.vocabulary)))))
        self._states = Recent[Any](_STATES_KEPT)
        self.answers = Recent[Json](_ANSWERS_KEPT)

    def log_probs(self, ids: Ids_T) -> Float_V:
        """Of the token after ``ids``, (T,) int32, which begin a text: (V,) nats, not to be changed."""
        key = key_of(ids)
        row = self._rows.get(key)
        if row is None:
            state = self._state(ids)
            self._states.put(key, state)
            row = self._model.log_probs(state)[0].astype(np.float64)
            self._rows.put(key, row)
        return row

    def _state(self, ids: Ids_T) -> Any:
        """The state after ``ids``, from that of a known context a few tokens shorter if there is one."""
        for back in range(1, min(_STEPS_BACK, len(ids)) + 1):
            shorter = self._states.get(key_of(ids[:-back]))
            if shorter is not None:
                return self._model.advance(shorter, ids[None, -back:])
        start = self._model.start(1)
        return self._model.advance(start, ids[None]) if len(ids) else start


def key_of(ids: Ids_T) -> bytes:
    """A short name of a context, which may be long."""
    return hashlib.blake2b(ids.tobytes(), digest_size=16).digest()


class Recent(OrderedDict[bytes, Value]):
    """The ``room`` values that were put or got last."""

    def __init__(self, room: int):
        super().__init__()
        self._room = room

    def put(self, key: bytes, value: Value) -> None:
        """Keep a value, and drop the one that was not wanted for longest."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._room:
            self.popitem(last=False)

    def get(self, key: bytes) -> Value | None:  # type: ignore[override]
        """A value that is kept, or None."""
        if key not in self:
            return None
        self.move_to_end(key)
        return self[key]
