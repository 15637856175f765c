"""Recurrent models: Elman (1990), GRU (Cho et al. 2014) and LSTM (Hochreiter & Schmidhuber 1997) over embeddings.

Dropout is variational: of the embeddings, between layers, of the last layer's output, and of whole words (Gal &
Ghahramani 2016); the LSTM can also drop recurrent weights (Merity et al. 2017). Inside, time comes first: (T, B, D).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_cutoffs, check_shares, output_layer
from nextword.neural.layers import ACTIVATIONS, Embedding, VariationalDropout, drop_weights
from nextword.neural.network import Network, State

_FEW = 8  # rows below which a single step is faster cell by cell than through the fused layer


@dataclass(frozen=True)
class RecurrentSettings:
    """What a recurrent network is made of. Shares are of units dropped; one that is None is that of ``dropout``.

    cell: "rnn", "gru" or "lstm". activation: of the rnn alone. dropout: of the last layer's output; dropout_input: of
    the embeddings; dropout_between: between layers; dropout_embedding: of whole words; weight_drop: of the LSTM's
    recurrent weights. tied: the output layer's vectors are the embeddings, whose size the last layer then has.
    learned_start: the state before any token is learned, and not zero. adaptive: cutoffs of an adaptive softmax.
    Raises UsageError for what is out of range.
    """

    cell: str = "lstm"
    embedding_size: int = 200
    hidden_size: int = 200
    layers: int = 2
    tied: bool = False
    activation: str = "tanh"
    dropout: float = 0.2
    dropout_input: float | None = None
    dropout_between: float | None = None
    dropout_embedding: float = 0.0
    weight_drop: float = 0.0
    learned_start: bool = False
    adaptive: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self, "cell", ("rnn", "gru", "lstm"))
        check_counts(self, 1, "embedding_size", "hidden_size", "layers")
        check_choice(self, "activation", ACTIVATIONS)
        check_shares(self, "dropout", "dropout_input", "dropout_between", "dropout_embedding", "weight_drop")
        check_cutoffs(self)
        if self.cell != "rnn" and self.activation != "tanh":
            raise UsageError(f"activation={self.activation!r}: only an rnn has a choice; a {self.cell} has tanh")
        if self.cell != "lstm" and self.weight_drop:
            raise UsageError(f"weight_drop={self.weight_drop}: only an lstm has it; a {self.cell} needs 0")

    def sizes(self) -> list[int]:
        """The sizes that layers pass on, from the embedding to the output, (layers + 1)."""
        last = self.embedding_size if self.tied else self.hidden_size
        return [self.embedding_size, *[self.hidden_size] * (self.layers - 1), last]


class Layer(nn.Module):
    """One recurrent layer. parts: how many vectors its state has; each is (B, H), the first is its last output."""

    parts: ClassVar[int] = 1

    def __init__(self, input_size: int, size: int, settings: RecurrentSettings):
        super().__init__()

    def forward(self, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        """(T, B, D) to (T, B, H), and the state after; lengths as ``Network.forward`` has them."""
        raise NotImplementedError


def _last_read(outputs: Tensor, before: Tensor, lengths: Tensor | None) -> Tensor:
    """The output of each row's last token, (B, H), or what was ``before`` in a row that reads none."""
    if lengths is None:
        return outputs[-1]
    rows, last = torch.arange(outputs.shape[1], device=outputs.device), lengths.to(outputs.device)
    found = outputs[(last - 1).clamp(min=0), rows]
    return torch.where(last[:, None] > 0, found, before.to(outputs.dtype))


class ElmanLayer(Layer):
    """h_t = f(W_e e_t + W_h h_{t-1} + b), the lectures' equation, with any activation."""

    def __init__(self, input_size: int, size: int, settings: RecurrentSettings):
        super().__init__(input_size, size, settings)
        self.inputs = nn.Linear(input_size, size)
        self.recurrent = nn.Parameter(torch.empty(size, size))
        nn.init.uniform_(self.recurrent, -(size**-0.5), size**-0.5)
        self.activation = ACTIVATIONS[settings.activation]

    def forward(self, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        """As ``Layer`` says."""
        recurrent, hidden, outputs = self.recurrent.t(), state[0], []
        for given in self.inputs(inputs).unbind():  # the part that does not depend on h, for all steps at once
            hidden = self.activation(torch.addmm(given, hidden.to(given.dtype), recurrent))
            outputs.append(hidden)
        stacked = torch.stack(outputs)
        return stacked, (_last_read(stacked, state[0], lengths),)


class GruLayer(Layer):
    """PyTorch's GRU, in which the reset gate acts after the recurrent product."""

    def __init__(self, input_size: int, size: int, settings: RecurrentSettings):
        super().__init__(input_size, size, settings)
        self.cell = nn.GRU(input_size, size)

    def forward(self, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        """As ``Layer`` says."""
        outputs, _ = self.cell(inputs, state[0].to(inputs.dtype)[None])
        return outputs, (_last_read(outputs, state[0], lengths),)


def _start_lstm(cell: nn.LSTM) -> None:
    """Orthogonal recurrent weights (Saxe et al. 2014), and gates that begin by remembering (Jozefowicz et al. 2015)."""
    inputs, recurrent, input_bias, recurrent_bias = cell.parameters()
    with torch.no_grad():
        for gate_inputs, gate_recurrent in zip(inputs.chunk(4), recurrent.chunk(4), strict=True):
            nn.init.xavier_uniform_(gate_inputs)
            nn.init.orthogonal_(gate_recurrent)
        recurrent_bias.zero_()
        input_bias.zero_()
        input_bias.chunk(4)[1].fill_(1.0)  # PyTorch's order: input, forget, cell, output


class LstmLayer(Layer):
    """PyTorch's fused LSTM, called with recurrent weights of which some may be dropped. State: h and c."""

    parts: ClassVar[int] = 2

    def __init__(self, input_size: int, size: int, settings: RecurrentSettings):
        super().__init__(input_size, size, settings)
        self.cell = nn.LSTM(input_size, size)
        _start_lstm(self.cell)
        self.weight_drop = settings.weight_drop

    def forward(self, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        """As ``Layer`` says."""
        before = tuple(part.to(inputs.dtype) for part in state)
        if lengths is None:
            return self._full(inputs, before)
        outputs, after = self._padded(inputs, before, lengths) if len(inputs) > 1 else self._full(inputs, before)
        read = lengths.to(inputs.device)[:, None] > 0
        return outputs, tuple(torch.where(read, new, old) for new, old in zip(after, before, strict=True))

    def _weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        inputs, recurrent, input_bias, recurrent_bias = self.cell.parameters()
        return inputs, drop_weights(recurrent, self.weight_drop, training=self.training), input_bias, recurrent_bias

    def _full(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Rows of equal length. For one step of few rows the fused layer takes longer to set up than to compute."""
        if len(inputs) == 1 and inputs.shape[1] < _FEW:
            hidden, cell = torch.lstm_cell(inputs[0], state, *self._weights())
            return hidden[None], (hidden, cell)
        parts = [part[None] for part in state]
        outputs, hidden, cell = torch.lstm(inputs, parts, self._weights(), True, 1, 0.0, self.training, False, False)
        return outputs, (hidden[0], cell[0])

    def _padded(self, inputs: Tensor, state: State, lengths: Tensor) -> tuple[Tensor, State]:
        """Rows of unequal length, packed: nothing else says what c is where a row ends. A row of none reads one."""
        lengths, order = lengths.cpu().clamp(min=1).sort(descending=True)
        order, back = order.to(inputs.device), order.argsort().to(inputs.device)
        packed = pack_padded_sequence(inputs.index_select(1, order), lengths)
        parts = [part.index_select(0, order)[None] for part in state]
        data, *after = torch.lstm(
            packed.data, packed.batch_sizes, parts, self._weights(), True, 1, 0.0, self.training, False
        )
        outputs, _ = pad_packed_sequence(PackedSequence(data, packed.batch_sizes), total_length=len(inputs))
        return outputs.index_select(1, back), tuple(part[0].index_select(0, back) for part in after)


class RecurrentNetwork(Network):
    """Embeddings, recurrent layers, softmax. State: each layer's parts, (B, H) tensors, first layer first."""

    settings_class: ClassVar[type] = RecurrentSettings
    settings: RecurrentSettings
    layer_class: ClassVar[type[Layer]]

    def __init__(self, settings: RecurrentSettings, vocab_size: int, *, excluded: int | None = None):
        super().__init__(settings, vocab_size, excluded=excluded)
        if settings.cell != self.kind:
            raise UsageError(f"cell={settings.cell!r}: expected {self.kind!r} for the kind {self.kind}")
        sizes = settings.sizes()
        self.embedding = Embedding(vocab_size, settings.embedding_size, dropout=settings.dropout_embedding)
        pairs = zip(sizes, sizes[1:], strict=False)
        make = self.layer_class
        self.layers = nn.ModuleList([make(before, size, settings) for before, size in pairs])
        between = [settings.dropout_between] * (settings.layers - 1)
        shares = [settings.dropout if share is None else share for share in (settings.dropout_input, *between, None)]
        self.dropouts = nn.ModuleList([VariationalDropout(share, time=0) for share in shares])
        self.starts = nn.ParameterList(
            [nn.Parameter(torch.zeros(size)) for size in sizes[1:] for _ in range(make.parts) if settings.learned_start]
        )
        tied = self.embedding.weight if settings.tied else None
        self.output = output_layer(sizes[-1], vocab_size, excluded=excluded, adaptive=settings.adaptive, tied=tied)

    def initial_state(self, batch: int) -> State:
        """As ``Network`` says."""
        if self.settings.learned_start:
            return tuple(part.expand(batch, -1) for part in self.starts)
        sizes = [size for size in self.settings.sizes()[1:] for _ in range(self.layer_class.parts)]
        return tuple(self.embedding.weight.new_zeros(batch, size) for size in sizes)

    def forward(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """As ``Network`` says."""
        values = self.dropouts[0](self.embedding(tokens.t()))  # (T, B, D)
        parts, after = self.layer_class.parts, []
        for i, layer in enumerate(self.layers):
            values, new = layer(values, state[i * parts : (i + 1) * parts], lengths)
            values = self.dropouts[i + 1](values)
            after.extend(new)
        return values.transpose(0, 1), tuple(after)


class ElmanNetwork(RecurrentNetwork):
    """The simple recurrent network of Elman (1990)."""

    kind: ClassVar[str] = "rnn"
    layer_class: ClassVar[type[Layer]] = ElmanLayer


class GruNetwork(RecurrentNetwork):
    """A network of gated recurrent units."""

    kind: ClassVar[str] = "gru"
    layer_class: ClassVar[type[Layer]] = GruLayer


class LstmNetwork(RecurrentNetwork):
    """A network of long short-term memory."""

    kind: ClassVar[str] = "lstm"
    layer_class: ClassVar[type[Layer]] = LstmLayer
