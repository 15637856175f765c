"""A frozen pretrained encoder and logistic regression on its vectors: the pipeline of the lectures."""

from typing import TYPE_CHECKING, ClassVar

from nextword.errors import UsageError
from nextword.neural import require_transformers
from nextword.tasks.classify.base import Examples, TextClassifier
from nextword.tasks.classify.fitted import Linear
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

if TYPE_CHECKING:
    from nextword.neural.encoder import Encoder, Pooling

_ITERATIONS = 10_000


class EncoderClassifier(TextClassifier):
    """Logistic regression on the vectors that an encoder of BERT's kind gives texts; the encoder is not trained.

    encoder: a local directory with its config.json, safetensors and tokenizer.json. pooling: mean of the last states
    of a text's pieces, or cls, the state of the first. A text longer than the encoder reads is cut: ``truncated_``
    counts those of the last call. C: the inverse of the penalty. batch_size: texts encoded together. device: see
    ``neural.device``. threads: of the encoder; None leaves PyTorch's choice.

    A stored model holds the encoder too, so that it works wherever it is copied.
    """

    kind: ClassVar[str] = "classify-encoder"
    encoder_: "Encoder"
    fitted_: Linear

    def __init__(
        self,
        *,
        encoder: str | None = None,
        pooling: "Pooling" = "mean",
        C: float = 1.0,
        batch_size: int = 64,
        device: str = "auto",
        threads: int | None = None,
    ):
        self.encoder, self.pooling, self.C = encoder, pooling, C
        self.batch_size, self.device, self.threads = batch_size, device, threads

    @property
    def truncated_(self) -> int:
        """How many texts of the last call were longer than the encoder reads."""
        return self.encoder_.truncated

    def vectors(self, texts: list[str]) -> Array:
        """What logistic regression sees of texts, (N, D) float32."""
        from nextword.neural.device import set_threads

        set_threads(self.threads)
        return self.encoder_.vectors(texts, pooling=self.pooling, batch_size=self.batch_size)

    def _check_options(self) -> None:
        if self.encoder is None:
            raise UsageError("no encoder was named; give the directory of one, with its safetensors and tokenizer.json")
        if self.pooling not in ("mean", "cls"):
            raise UsageError(f"unknown pooling {self.pooling!r}; choose one of mean, cls")
        if not self.C > 0 or self.batch_size < 1:
            raise UsageError(f"C is {self.C}, batch_size {self.batch_size}; they must be above 0, and 1 or more")

    def _fit(self, known: Examples, valid: Examples | None, run: Json) -> None:
        from sklearn.linear_model import LogisticRegression

        require_transformers()
        from nextword.neural.encoder import open_encoder

        assert self.encoder is not None  # _check_options has seen to it; this tells mypy
        self.encoder_ = open_encoder(self.encoder, device=self.device)
        model = LogisticRegression(C=self.C, max_iter=_ITERATIONS)
        self.fitted_ = Linear.of(model.fit(self.vectors(known.texts), known.targets))
        self.vocabulary_ = _no_words()

    def _log_probs(self, texts: list[str]) -> Array:
        return self.fitted_.scores(self.vectors(texts))

    def _state(self) -> tuple[Json, dict[str, Array]]:
        arrays = {f"encoder.{name}": array for name, array in self.encoder_.arrays().items()}
        arrays |= {f"fitted.{name}": array for name, array in self.fitted_.arrays().items()}
        return {"encoder": self.encoder_.parameters()}, arrays

    def _restore(self, state: Json, arrays: dict[str, Array]) -> None:
        require_transformers()
        from nextword.neural.encoder import Encoder

        parts = {"encoder": dict[str, Array](), "fitted": dict[str, Array]()}
        for name, array in arrays.items():
            part, _, own = name.partition(".")
            parts[part][own] = array
        self.encoder_ = Encoder.from_arrays(state["encoder"], parts["encoder"], device=self.device)
        self.fitted_ = Linear(**parts["fitted"])
        if self.fitted_.weights.shape != (len(self.classes_), self.encoder_.size):
            raise UsageError("its encoder and its classifier do not fit together; train or copy the model again")


def _no_words() -> Vocabulary:
    """The encoder's tokenizer knows the pieces; nothing else needs a vocabulary."""
    return Vocabulary.from_words([], unk=None, bos=None, eos=None)
