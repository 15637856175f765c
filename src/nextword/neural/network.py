"""What every neural family is: token ids in, hidden states out, and an output layer that makes probabilities of these.

A network knows no vocabulary of words, no files and no NumPy: ``neural.model`` makes a ``LanguageModel`` of it,
``neural.training`` trains it. B rows, T tokens, H hidden units, V ids.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nextword.neural.layers import Embedding
from nextword.neural.losses import Output
from nextword.types import Json

State = tuple[Tensor, ...]  # each tensor's first dimension is the batch, so that rows can be selected


class Network(nn.Module):
    """Base of the families. A subclass sets ``kind`` and ``settings_class``, and defines the two methods below.

    settings: a frozen dataclass of plain values, enough to build the network again. vocab_size: V. excluded: an id that
    is never predicted (``<s>``), whose probability is 0.
    """

    kind: ClassVar[str]
    settings_class: ClassVar[type]
    output: Output
    context_length: int | None = None  # tokens that a prediction can depend on; None: unbounded

    def __init__(self, settings: Any, vocab_size: int, *, excluded: int | None = None):
        super().__init__()
        self.settings, self.vocab_size, self.excluded = settings, vocab_size, excluded

    def initial_state(self, batch: int) -> State:
        """The state of B rows that have read nothing at all, not even ``<s>``."""
        raise NotImplementedError

    def forward(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Read tokens, (B, T) int64; returns the hidden states, (B, T, H), and the state after.

        ``hidden[:, t]`` is what predicts the token after ``tokens[:, t]``. lengths: (B,) int64 on the CPU, how many
        tokens of each row are real, if not all are: what is beyond is not read into the state (a row of length 0 keeps
        its state), and its hidden states mean nothing. The given state is not changed.
        """
        raise NotImplementedError

    def join(self, states: Sequence[State]) -> State:
        """The rows of several states, one state after another."""
        return tuple(torch.cat(parts) for parts in zip(*states, strict=True))

    def prepare(self, precision: torch.dtype | None, *, in_place: bool) -> None:
        """Set how losses and their gradients are computed: fast, for training, or as autograd does; see ``Output``."""
        self.output.prepare(precision, in_place=in_place)
        for layer in self.modules():
            if isinstance(layer, Embedding):
                layer.in_place = in_place

    def parameters_json(self) -> Json:
        """What ``build`` needs to make this network again."""
        return {"settings": asdict(self.settings), "excluded": self.excluded}


def detach(state: State) -> State:
    """The same state without the computation that led to it: where backpropagation through time is cut off."""
    return tuple(part.detach() for part in state)


def select(state: State, rows: Tensor) -> State:
    """The state whose row i is row ``rows[i]``."""
    return tuple(part.index_select(0, rows) for part in state)
