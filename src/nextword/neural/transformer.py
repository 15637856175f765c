"""A decoder-only transformer (Vaswani et al. 2017), pre-norm as in GPT-2 (Radford et al. 2019), with a key/value cache.

Past its context it keeps the last half of what it has read and reads that again, from position 0, before it goes on.
So a long text falls into blocks that do not depend on each other: each begins with half a context that is read again,
and the first one continues the cache. Stepping and reading at once do the same.
Shapes: B rows, T tokens, S tokens in the cache, C context, D embedding, d = D / heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_cutoffs, check_shares, output_layer
from nextword.neural.layers import Embedding
from nextword.neural.network import Network, State

_BASE = 10000.0  # of the geometric series of rotary wavelengths


@dataclass(frozen=True)
class TransformerSettings:
    """embedding_size: D, the width throughout; the feed-forward layer is four times as wide. context: C, in tokens.

    positions: "rotary" (Su et al. 2021) or "learned". dropout: of the embeddings and of what each sublayer adds, not
    of attention, whose fused kernel on CPUs has none. Raises UsageError for what is out of range.
    """

    layers: int = 4
    heads: int = 4
    embedding_size: int = 128
    context: int = 256
    positions: str = "rotary"
    dropout: float = 0.1
    tied: bool = True
    adaptive: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_counts(self, 1, "layers", "heads", "embedding_size")
        check_counts(self, 2, "context")
        check_choice(self, "positions", ("rotary", "learned"))
        check_shares(self, "dropout")
        check_cutoffs(self)
        if self.embedding_size % (2 * self.heads):
            raise UsageError(
                f"embedding_size={self.embedding_size}, heads={self.heads}: expected an even number of "
                f"units per head; take a multiple of {2 * self.heads}"
            )


class _Cached(NamedTuple):
    """What new tokens attend to beside each other: keys and values (B, heads, S, d) and which may be seen."""

    keys: Tensor
    values: Tensor
    visible: Tensor | None  # (B, 1, T, S + T), None if all is


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        size = settings.embedding_size
        self.heads = settings.heads
        self.attention_norm = nn.LayerNorm(size)
        self.projections = nn.Linear(size, 3 * size, bias=False)  # queries, keys, values
        self.attended = nn.Linear(size, size, bias=False)
        self.forward_norm = nn.LayerNorm(size)
        self.widen = nn.Linear(size, 4 * size)
        self.narrow = nn.Linear(4 * size, size)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self, inputs: Tensor, rotation: tuple[Tensor, Tensor] | None, cached: _Cached | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) to (B, T, D), and the keys and values of all that could be attended to, (B, heads, S + T, d)."""
        attended, keys, values = self._attend(self.attention_norm(inputs), rotation, cached)
        inputs = inputs + self.dropout(attended)
        wide = functional.gelu(self.widen(self.forward_norm(inputs)))
        return inputs + self.dropout(self.narrow(wide)), keys, values

    def _attend(
        self, inputs: Tensor, rotation: tuple[Tensor, Tensor] | None, cached: _Cached | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, time, size = inputs.shape
        split = self.projections(inputs).view(batch, time, 3, self.heads, size // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # (B, heads, T, d) each
        if rotation is not None:
            queries, keys = rotate(queries, *rotation), rotate(keys, *rotation)
        visible = None
        if cached is not None:
            keys = torch.cat([cached.keys.to(keys.dtype), keys], dim=2)
            values = torch.cat([cached.values.to(values.dtype), values], dim=2)
            visible = cached.visible
        found = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=visible, is_causal=cached is None
        )
        return self.attended(found.transpose(1, 2).flatten(2)), keys, values


def rotate(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn pairs (i, i + d/2) of vectors (B, heads, T, d) by the angles of their positions (Su et al. 2021, eq. 34).

    cosines, sines: (T, d), or (B, 1, T, d) where rows are at different positions.
    """
    first, second = vectors.chunk(2, dim=-1)
    return vectors * cosines.to(vectors.dtype) + torch.cat([-second, first], dim=-1) * sines.to(vectors.dtype)


class TransformerNetwork(Network):
    """State: ids (B, S) int64, how many are real (B,) int64, then keys and values (B, heads, S, d) per layer."""

    kind: ClassVar[str] = "transformer"
    settings_class: ClassVar[type] = TransformerSettings
    settings: TransformerSettings
    cosines: Tensor
    sines: Tensor

    def __init__(self, settings: TransformerSettings, vocab_size: int, *, excluded: int | None = None):
        super().__init__(settings, vocab_size, excluded=excluded)
        size, self.context = settings.embedding_size, settings.context
        self.context_length = settings.context
        self.embedding = Embedding(vocab_size, size)
        self.positions = nn.Parameter(torch.empty(self.context, size)) if settings.positions == "learned" else None
        self.blocks = nn.ModuleList([Block(settings) for _ in range(settings.layers)])
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(settings.dropout)
        pairs = torch.arange(size // settings.heads // 2, dtype=torch.float64) * (2 * settings.heads / size)  # (d / 2,)
        angles = torch.outer(torch.arange(self.context), _BASE**-pairs).float()
        self.register_buffer("cosines", torch.cos(angles).repeat(1, 2), persistent=False)  # (C, d)
        self.register_buffer("sines", torch.sin(angles).repeat(1, 2), persistent=False)
        tied = self.embedding.weight if settings.tied else None
        self.output = output_layer(size, vocab_size, excluded=excluded, adaptive=settings.adaptive, tied=tied)
        self._initialise()

    def _initialise(self) -> None:
        """As GPT-2: standard deviation 0.02, less for what is added to the residual stream 2 L times."""
        nn.init.normal_(self.embedding.weight, std=0.02)
        if self.positions is not None:
            nn.init.normal_(self.positions, std=0.02)
        for name, parameter in self.blocks.named_parameters():
            if parameter.dim() == 2:
                added = name.endswith(("attended.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * self.settings.layers) ** 0.5 if added else 0.02)
            elif "norm" not in name:
                nn.init.zeros_(parameter)

    def initial_state(self, batch: int) -> State:
        """As ``Network`` says."""
        weight, heads = self.embedding.weight, self.settings.heads
        none = weight.new_empty(batch, heads, 0, self.settings.embedding_size // heads)
        ids = torch.empty(batch, 0, dtype=torch.int64, device=weight.device)
        return (ids, ids.new_zeros(batch), *[none] * (2 * self.settings.layers))

    def join(self, states: Sequence[State]) -> State:
        """The rows of several states, one state after another; their caches are made equally long."""
        longest = max(state[0].shape[1] for state in states)
        ids = torch.cat([functional.pad(state[0], (0, longest - state[0].shape[1])) for state in states])
        caches = [
            torch.cat([functional.pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts])
            for parts in zip(*(state[2:] for state in states), strict=True)
        ]
        return (ids, torch.cat([state[1] for state in states]), *caches)

    def forward(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """As ``Network`` says."""
        batch, time = tokens.shape
        if state[0].shape[1] == 0 and time <= self.context:
            hidden, caches = self._read_afresh(tokens)
            counts = state[1] + time if lengths is None else lengths.to(tokens.device)
            return hidden, (tokens, counts, *caches)
        new = torch.full_like(state[1], time) if lengths is None else lengths.to(tokens.device)
        fitting = torch.minimum(new, self.context - state[1])
        hidden, after = self._continue(tokens[:, : int(fitting.max())], state, fitting)
        if bool((fitting == new).all()):
            return functional.pad(hidden, (0, 0, 0, time - hidden.shape[1])), after
        return self._read_blocks(tokens, state, new, hidden, after)

    def _read_afresh(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Tokens (B, T) from position 0 on, T at most C."""
        return self._run(tokens, torch.arange(tokens.shape[1], device=tokens.device), [])

    def _continue(self, tokens: Tensor, state: State, new: Tensor) -> tuple[Tensor, State]:
        """Read ``new`` (B,) of the tokens (B, T), which all have room in the context, after what the cache holds."""
        ids, counts, *caches = state
        held, time = ids.shape[1], tokens.shape[1]
        if time == 0:
            return self.embedding.weight.new_zeros(len(ids), 0, self.settings.embedding_size), state
        steps = torch.arange(time, device=tokens.device)
        positions = (counts[:, None] + steps).clamp(max=self.context - 1)
        even = bool((counts == held).all())  # no gap between the cache and what comes
        visible = None if even and time == 1 else _visible(counts, held, steps)
        cached = [_Cached(keys, values, visible) for keys, values in zip(caches[::2], caches[1::2], strict=True)]
        hidden, caches = self._run(tokens, positions, cached)
        ids, after = torch.cat([ids, tokens], dim=1), counts + new
        size = int(after.max())
        if time == 1 and not even and not torch.is_grad_enabled():
            ids, caches = _filled(ids, counts, size), [_filled(cache, counts, size, dim=2) for cache in caches]
        elif not (even and bool((new == time).all())):
            index = _closed_up(counts, held, ids.shape[1])[:, :size]
            ids = ids.gather(1, index)
            rows = index[:, None, :, None].expand(-1, caches[0].shape[1], -1, caches[0].shape[3])
            caches = [cache.gather(2, rows) for cache in caches]
        return hidden, (ids, after, *caches)

    def _read_blocks(
        self, tokens: Tensor, state: State, new: Tensor, hidden: Tensor, after: State
    ) -> tuple[Tensor, State]:
        """What does not fit into the first context. hidden, after: what came of the tokens that did."""
        batch, time = tokens.shape
        begun, total = state[1], state[1] + new
        text = torch.cat([state[0], tokens], dim=1)
        text = text.gather(1, _closed_up(begun, state[0].shape[1], text.shape[1]))  # (B, S + T), gaps at the end
        row, begin, last = _blocks(total, self.context)
        size = int((total[row] - begin).clamp(max=self.context).max())
        places = begin[:, None] + torch.arange(size, device=tokens.device)  # in the text, (blocks, size)
        ids = text[row[:, None], places.clamp(max=text.shape[1] - 1)]
        read, caches = self._read_afresh(ids)
        kept = (places >= begin[:, None] + self.context // 2) & (places < total[row][:, None])
        hidden = functional.pad(hidden, (0, 0, 0, time - hidden.shape[1])).to(read.dtype)
        rows = row[:, None].expand_as(places)[kept]
        hidden = hidden.index_put((rows, places[kept] - begun[rows]), read[kept])
        counts = (total[row] - begin).clamp(max=self.context)
        joined = self.join([after, (ids, counts, *caches)])
        chosen = torch.arange(batch, device=tokens.device)
        chosen = chosen.index_put((row[last],), batch + torch.nonzero(last)[:, 0])
        return hidden, tuple(part.index_select(0, chosen) for part in joined)

    def _run(self, tokens: Tensor, positions: Tensor, cached: list[_Cached]) -> tuple[Tensor, list[Tensor]]:
        """Hidden states (B, T, D) of tokens at ``positions``, (T,) or (B, T); and each block's keys and values."""
        values = self.embedding(tokens)
        rotation = None
        if self.positions is not None:
            values = values + self.positions[positions]
        else:
            angles = self.cosines[positions], self.sines[positions]
            rotation = angles if positions.dim() == 1 else (angles[0][:, None], angles[1][:, None])
        values, caches = self.dropout(values), []
        for i, block in enumerate(self.blocks):
            values, *cache = block(values, rotation, cached[i] if cached else None)
            caches.extend(cache)
        return self.norm(values), caches


def _visible(counts: Tensor, held: int, steps: Tensor) -> Tensor:
    """(B, 1, T, S + T): a token sees the ``counts`` (B,) real ones of the cache's S, and the new ones up to itself."""
    old = torch.arange(held, device=counts.device) < counts[:, None]  # (B, S)
    new = steps <= steps[:, None]  # (T, T)
    batch, time = len(counts), len(steps)
    return torch.cat([old[:, None].expand(batch, time, held), new.expand(batch, time, time)], dim=2)[:, None]


def _filled(part: Tensor, counts: Tensor, size: int, *, dim: int = 1) -> Tensor:
    """The first ``size`` places along ``dim``, the last of ``part`` put where each row's gap begins; changes ``part``.

    What ``_closed_up`` comes to for one new token a row, without moving all the others.
    """
    places = part.movedim(dim, 1)
    places[torch.arange(len(part), device=part.device), counts] = places[:, -1].clone()
    return part.narrow(dim, 0, size)


def _closed_up(counts: Tensor, held: int, size: int) -> Tensor:
    """Where each row's tokens are once the gap between its ``counts`` and the cache's end is skipped, (B, size).

    size: of cache and new tokens together; the last places, as many as the gap is wide, are of no token.
    """
    places = torch.arange(size, device=counts.device).expand(len(counts), size)
    return torch.where(places < counts[:, None], places, places + (held - counts)[:, None]).clamp(max=size - 1)


def _blocks(total: Tensor, context: int) -> tuple[Tensor, Tensor, Tensor]:
    """The blocks after the first of texts of ``total`` (B,) tokens: row, beginning, and which is its row's last."""
    step = context - context // 2
    counts = ((total - context).clamp(min=0) + step - 1) // step
    row = torch.repeat_interleave(torch.arange(len(total), device=total.device), counts)
    first = counts.cumsum(0) - counts
    number = torch.arange(len(row), device=total.device) - first[row]
    return row, (number + 1) * step, number == counts[row] - 1
