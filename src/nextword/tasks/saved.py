"""What a task trains is saved as a model directory, as language models are."""

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from nextword import store
from nextword.errors import StoreError, UsageError
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

_LONG = 500  # characters of a parameter that is not shown


class TaskModel:
    """Base of classifiers, taggers, translators and parsers: saving and loading.

    kind: its name in ``kinds``. noun: what it is called in messages. A subclass has ``vocabulary``, ``parameters()``,
    ``arrays()`` and ``from_arrays(parameters, arrays, vocabulary)``, which ``store`` needs. pipeline: how it cuts text,
    where it does. info: what is recorded of its training: ``trained_on`` and ``settings``.
    """

    kind: ClassVar[str]
    noun: ClassVar[str] = "model"
    vocabulary: Vocabulary
    pipeline: Pipeline | None = None
    info: Json = {}  # noqa: RUF012  # replaced, never changed

    def parameters(self) -> Json:
        """What is not an array, as JSON."""
        raise NotImplementedError

    def arrays(self) -> dict[str, Array]:
        """Its arrays by name."""
        raise NotImplementedError

    def described(self) -> Json:
        """What ``nextword info`` says of it: numbers that were learnt, and all that is plain and short."""
        size = sum(int(array.size) for array in self.arrays().values())
        plain = {name: value for name, value in self.parameters().items() if len(json.dumps(value)) < _LONG}
        return {"kind": self.kind, "vocabulary": len(self.vocabulary), "numbers": size} | plain

    def save(self, directory: str | Path) -> None:
        """Write the model directory; see ``nextword.store``. Raises StoreError."""
        known = {"trained_on": self.info.get("trained_on", ()), "settings": self.info.get("settings")}
        store.save(directory, self, text=self.pipeline, **known)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Open a model directory. Raises StoreError, which names what is wrong, for one of another kind too."""
        stored = store.load(directory)
        model: Any = stored.model
        if not isinstance(model, cls):
            wanted = getattr(cls, "kind", cls.noun)
            wanted = cls.noun if wanted == cls.noun else f"{cls.noun} of kind {wanted}"
            raise StoreError(
                f"{directory}: holds a model of kind {stored.config['kind']}, expected a {wanted}; give the directory "
                "of one"
            )
        try:
            model.pipeline = Pipeline.from_config(stored.text, stored.payloads) if stored.text else None
        except UsageError as error:
            raise StoreError(f"{directory}: its text pipeline cannot be used: {error}") from error
        model.info = stored.config
        return model
