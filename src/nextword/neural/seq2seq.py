"""Encoder and decoder: a sentence, or a vector, becomes a sequence of tokens (Sutskever et al. 2014; Cho et al. 2014).

A bidirectional encoder annotates each source token (Bahdanau et al. 2015). The decoder begins with a summary of the
source and, where it has attention, looks at the annotations in every step. B rows, S source tokens, T target tokens.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_shares
from nextword.neural.attention import ATTENTIONS, Memory, make_attention
from nextword.neural.layers import Embedding, VariationalDropout
from nextword.neural.losses import Softmax
from nextword.neural.network import State
from nextword.types import Json

_CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
_STEPS: dict[str, type[nn.LSTMCell] | type[nn.GRUCell]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}


@dataclass(frozen=True)
class Seq2SeqSettings:
    """What an encoder–decoder is made of. Shares are of units dropped.

    cell: "lstm" or "gru", of both. hidden_size: of the decoder; the encoder has half as many in each direction.
    layers: of each. attention: "luong" (general), "luong-dot", "bahdanau" or "none". input_feeding: the decoder reads
    its last attentional vector beside each token (Luong et al. 2015, section 3.3); bahdanau always reads its context.
    Without either the decoder runs over all of a known target at once: several times faster to train.
    tied: the output layer's vectors are the target embeddings. (To share these with the source would push all words
    that are never written into one corner, where the encoder cannot tell them apart.) features: read vectors of that
    size, not sentences. Raises UsageError for what is out of range.
    """

    cell: str = "lstm"
    embedding_size: int = 256
    hidden_size: int = 512
    layers: int = 1
    attention: str = "luong"
    input_feeding: bool = False
    dropout: float = 0.2
    tied: bool = True
    features: int = 0

    def __post_init__(self) -> None:
        check_choice(self, "cell", tuple(_CELLS))
        check_choice(self, "attention", ATTENTIONS)
        check_counts(self, 1, "embedding_size", "hidden_size", "layers")
        check_counts(self, 0, "features")
        check_shares(self, "dropout")
        if self.hidden_size % 2:
            raise UsageError(f"hidden_size={self.hidden_size}: half of it is each direction's; give an even number")
        if self.features and self.attention != "none":
            raise UsageError(f"attention={self.attention!r}: a vector has no tokens to look at; give attention 'none'")
        if self.input_feeding and not self.attention.startswith("luong"):
            raise UsageError(f"input_feeding is of luong's attention, not of {self.attention!r}; leave it out")

    @property
    def stepwise(self) -> bool:
        """Whether a step of the decoder reads what attention gave, so that steps must follow one another."""
        return self.input_feeding or self.attention == "bahdanau"


class Decoded(NamedTuple):
    """Attentional vectors (B, T, E), weights (B, T, S) and the state after."""

    vectors: Tensor
    weights: Tensor
    state: State


class Encoder(nn.Module):
    """Source tokens to annotations. The backward direction reads each row from its own last token: no padding."""

    def __init__(self, settings: Seq2SeqSettings):
        super().__init__()
        half, make = settings.hidden_size // 2, _CELLS[settings.cell]
        sizes = [settings.embedding_size, *[settings.hidden_size] * (settings.layers - 1)]
        self.forwards = nn.ModuleList([make(size, half) for size in sizes])
        self.backwards = nn.ModuleList([make(size, half) for size in sizes])
        self.dropout = VariationalDropout(settings.dropout, time=0)

    def forward(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (S, B, E) and lengths (B,) to annotations (B, S, H), and the last of both directions, (B, H)."""
        mirror = _mirrored(lengths, len(embedded))[:, :, None]  # (S, B, 1)
        values = embedded
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            onward = forwards(values)[0]
            turned = values.gather(0, mirror.expand(-1, -1, values.shape[2]))
            back = backwards(turned)[0]
            ends = torch.cat([_at_end(onward, lengths), _at_end(back, lengths)], dim=1)
            back = back.gather(0, mirror.expand(-1, -1, back.shape[2]))
            values = self.dropout(torch.cat([onward, back], dim=2))
        return values.transpose(0, 1), ends


class Seq2Seq(nn.Module):
    """The network. source_size, target_size: ids of each vocabulary (no source for features); excluded: see Network."""

    def __init__(self, settings: Seq2SeqSettings, source_size: int, target_size: int, *, excluded: int | None = None):
        super().__init__()
        self.settings, self.source_size, self.target_size, self.excluded = settings, source_size, target_size, excluded
        hidden, width = settings.hidden_size, settings.embedding_size
        self.embedding = Embedding(target_size, width)
        if settings.features:
            self.project = nn.Linear(settings.features, hidden)
        else:
            self.source = Embedding(source_size, width)
            self.encoder = Encoder(settings)
        self.bridge = nn.Linear(hidden, hidden * settings.layers * (2 if settings.cell == "lstm" else 1))
        self.attention = make_attention(settings.attention, hidden, hidden)
        self.combine = nn.Linear(2 * hidden, width)
        self.dropout, self.dropout_output = (VariationalDropout(settings.dropout, time=t) for t in (0, 1))
        if settings.stepwise:
            sizes = [width + (width if settings.input_feeding else hidden), *[hidden] * (settings.layers - 1)]
            self.cells = nn.ModuleList([_STEPS[settings.cell](size, hidden) for size in sizes])
        else:
            self.decoder = _CELLS[settings.cell](width, hidden, num_layers=settings.layers, dropout=_between(settings))
        tied = self.embedding.weight if settings.tied else None
        self.output = Softmax(width, target_size, excluded=excluded, tied=tied)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Sources (B, S) int64, of which ``lengths`` (B,) tokens are real; or features (B, F), without lengths."""
        if self.settings.features:
            summary = torch.tanh(self.project(source))
            nothing = summary.new_zeros((len(summary), 0, summary.shape[1]))
            return Memory(nothing, nothing, nothing[:, :, 0] > 0, summary)
        embedded = self.dropout(self.source(source.clamp(min=0).t()))
        annotations, summary = self.encoder(embedded, lengths)
        real = torch.arange(source.shape[1], device=source.device) < lengths[:, None]
        return Memory(annotations, self.attention.keys(annotations), real, summary)

    def start(self, memory: Memory) -> State:
        """The decoder's state before ``<s>``: (B, H) tensors, of each layer h, of each c; the attentional vector."""
        parts = self.bridge(memory.summary).chunk(self.settings.layers * (2 if self.settings.cell == "lstm" else 1), 1)
        hidden = [torch.tanh(part) for part in parts[: self.settings.layers]]
        fed = [memory.summary.new_zeros((len(memory.summary), self.settings.embedding_size))]
        return (*hidden, *parts[self.settings.layers :], *(fed if self.settings.input_feeding else ()))

    def forward(self, tokens: Tensor, memory: Memory, state: State) -> Decoded:
        """Read tokens, (B, T) int64; ``vectors[:, t]`` predicts what comes after ``tokens[:, t]`` by ``output``."""
        embedded = self.dropout(self.embedding(tokens.t()))  # (T, B, E)
        return self._steps(embedded, memory, state) if self.settings.stepwise else self._fused(embedded, memory, state)

    def _fused(self, embedded: Tensor, memory: Memory, state: State) -> Decoded:
        layers = self.settings.layers
        parts = tuple(torch.stack(state[i : i + layers]).to(embedded.dtype) for i in range(0, len(state), layers))
        hidden, after = self.decoder(embedded, parts if len(parts) == 2 else parts[0])
        hidden = hidden.transpose(0, 1)  # (B, T, H)
        context, weights = self.attention(hidden, memory)
        ends = after if isinstance(after, tuple) else (after,)
        return Decoded(self._combined(hidden, context), weights, tuple(row for end in ends for row in end.unbind()))

    def _steps(self, embedded: Tensor, memory: Memory, state: State) -> Decoded:
        vectors, weights = [], []
        keep = self._step_mask(embedded)
        for given in embedded.unbind():
            vector, looked, state = self._step(given, memory, state, keep)
            vectors.append(vector)
            weights.append(looked)
        return Decoded(torch.cat(vectors, dim=1), torch.cat(weights, dim=1), state)

    def _step_mask(self, embedded: Tensor) -> Tensor | None:
        """What of the attentional vectors is dropped, (B, 1, E), the same in every step."""
        share = self.settings.dropout
        if not self.training or not share:
            return None
        return torch.empty_like(embedded[0][:, None]).bernoulli_(1 - share).div_(1 - share)

    def _step(self, given: Tensor, memory: Memory, state: State, keep: Tensor | None) -> tuple[Tensor, Tensor, State]:
        """One token of each row, (B, E): Luong's attention looks with the new state, Bahdanau's with the old one."""
        layers = self.settings.layers
        if self.settings.input_feeding:
            *parts, fed = state
            parts = self._cells(torch.cat([given, fed.to(given.dtype)], dim=1), parts)
            context, weights = self.attention(parts[layers - 1][:, None], memory)
        else:
            context, weights = self.attention(state[layers - 1][:, None], memory)
            parts = self._cells(torch.cat([given, context[:, 0].to(given.dtype)], dim=1), list(state))
        vector = self._combined(parts[layers - 1][:, None], context, keep)
        return vector, weights, (*parts, vector[:, 0]) if self.settings.input_feeding else tuple(parts)

    def _cells(self, given: Tensor, parts: list[Tensor]) -> list[Tensor]:
        layers, after = self.settings.layers, list(parts)
        for i, cell in enumerate(self.cells):
            if i:
                given = functional.dropout(given, self.settings.dropout, self.training)
            if self.settings.cell == "lstm":
                after[i], after[layers + i] = cell(given, (parts[i], parts[layers + i]))
            else:
                after[i] = cell(given, parts[i])
            given = after[i]
        return after

    def _combined(self, hidden: Tensor, context: Tensor, keep: Tensor | None = None) -> Tensor:
        """tanh(W [context; hidden]), Luong et al. (2015), eq. 5, of which some units are dropped."""
        vectors = torch.tanh(self.combine(torch.cat([context.to(hidden.dtype), hidden], dim=2)))
        if self.settings.stepwise:
            return vectors if keep is None else vectors * keep.to(vectors.dtype)
        dropped: Tensor = self.dropout_output(vectors)
        return dropped

    def prepare(self, precision: torch.dtype | None, *, in_place: bool) -> None:
        """As ``Network.prepare``."""
        self.output.prepare(precision, in_place=in_place)
        for layer in self.modules():
            if isinstance(layer, Embedding):
                layer.in_place = in_place

    def parameters_json(self) -> Json:
        """What ``translating.restored`` needs to make this network again."""
        sizes = {"source_size": self.source_size, "target_size": self.target_size, "excluded": self.excluded}
        return {"settings": asdict(self.settings), **sizes}


def _between(settings: Seq2SeqSettings) -> float:
    return settings.dropout if settings.layers > 1 else 0.0


def _mirrored(lengths: Tensor, steps: int) -> Tensor:
    """For each row the places of its tokens from the last to the first; padding stays. (S, B) int64."""
    places = torch.arange(steps, device=lengths.device)[:, None]  # (S, 1)
    return torch.where(places < lengths, lengths - 1 - places, places)


def _at_end(values: Tensor, lengths: Tensor) -> Tensor:
    """The vectors (S, B, H) at each row's last token, (B, H)."""
    rows = torch.arange(values.shape[1], device=values.device)
    return values[lengths - 1, rows]
