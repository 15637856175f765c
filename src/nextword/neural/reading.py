"""How a network reads rows of tokens: in pieces if they are long, and sentence by sentence if it forgets at ``</s>``.

What the hidden states are good for is the caller's: ``take`` is called with those that predicted some tokens, (N, H),
and the tokens' places in the flattened B x T array, (N,), until every token has had its turn.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nextword.neural import network as networks
from nextword.neural.network import Network, State
from nextword.types import Array, Ids_BT

_CELLS = 1 << 12  # tokens and padding that are read at once: long rows go in pieces

Take = Callable[[Tensor, Tensor], None]


class NeuralState(NamedTuple):
    """hidden: (B, H), what predicts the next token. network: what the network remembers."""

    hidden: Tensor
    network: State


class _Piece(NamedTuple):
    """What lies in one sentence: tokens[row, begin:end]."""

    row: int
    begin: int
    end: int


def select(state: NeuralState, rows: Tensor) -> NeuralState:
    """The state whose row i is row ``rows[i]``."""
    return NeuralState(state.hidden.index_select(0, rows), networks.select(state.network, rows))


def join(network: Network, states: Sequence[NeuralState]) -> NeuralState:
    """The state whose rows are those of the states, in order."""
    hidden = torch.cat([state.hidden for state in states])
    return NeuralState(hidden, network.join([state.network for state in states]))


def start(network: Network, first: int, batch: int) -> NeuralState:
    """The state of rows that have read ``first`` and nothing else."""
    ids = torch.full((1, 1), first, dtype=torch.int64, device=_device(network))
    hidden, after = network(ids, network.initial_state(1))
    return select(NeuralState(hidden[:, 0], after), ids.new_zeros(batch))


def read_stream(network: Network, tokens: Ids_BT, state: NeuralState, *, take: Take | None = None) -> NeuralState:
    """Read (B, T) tokens, -1 at the ends of rows, whatever they are; returns the state after."""
    places = np.arange(tokens.size).reshape(tokens.shape)
    lengths = (tokens >= 0).sum(axis=1) if (tokens < 0).any() else None
    return _read(network, tokens, state, lengths, places, take)


def read_sentences(
    network: Network, tokens: Ids_BT, state: NeuralState | None, *, bos: int, eos: int | None, take: Take | None = None
) -> NeuralState:
    """Read (B, T) tokens; over ``eos`` a row returns to the state after ``bos``, where all begin if state is None.

    Sentences do not depend on each other, so they are rows of padded batches; only the last of each row leaves a state.
    """
    ends = tokens == eos
    before = start(network, bos, len(tokens)) if state is None else state
    if not ends.any():
        return read_stream(network, tokens, before, take=take)
    pieces = [_Piece(int(row), int(a), int(b)) for row in range(len(tokens)) for a, b in _spans(ends[row])]
    if take is not None:
        fresh = [piece for piece in pieces if piece.begin > 0 or state is None]
        for batch in _batches(fresh):
            _read_fresh(network, tokens, batch, bos, take)
        for batch in _batches([piece for piece in pieces if piece.begin == 0 and state is not None]):
            rows = torch.tensor([piece.row for piece in batch], device=before.hidden.device)
            ids, places = _padded(tokens, batch)
            _read(network, ids, select(before, rows), None, places, take)
    return _read_last(network, tokens, ends, before, start(network, bos, 1), take)


def _read_fresh(network: Network, tokens: Ids_BT, pieces: list[_Piece], bos: int, take: Take) -> None:
    """Whole sentences: ``bos`` and all tokens but the last are read, and no state is left."""
    ids, places = _padded(tokens, pieces)
    inputs = np.concatenate([np.full((len(ids), 1), bos), ids[:, :-1]], axis=1)
    hidden, _ = network(_tensor(network, inputs), network.initial_state(len(ids)))
    _give(hidden, places, take)


def _read_last(
    network: Network, tokens: Ids_BT, ends: Array, before: NeuralState, begin: NeuralState, take: Take | None
) -> NeuralState:
    """What follows a row's last ``eos``, read from the state after ``bos``; or the whole row if it has none."""
    batch, ended = len(tokens), ends.any(axis=1)
    begins = np.where(ended, tokens.shape[1] - ends[:, ::-1].argmax(axis=1), 0)
    lengths = (tokens >= 0).sum(axis=1)
    rows = torch.from_numpy(np.where(ended, batch, np.arange(batch))).to(begin.hidden.device)
    state = select(join(network, [before, begin]), rows)
    pieces = [_Piece(row, int(begins[row]), int(lengths[row])) for row in range(batch)]
    ids, places = _padded(tokens, pieces)
    return _read(network, ids, state, lengths - begins, places, take)


def _read(
    network: Network, tokens: Array, state: NeuralState, lengths: Array | None, places: Array, take: Take | None
) -> NeuralState:
    """Read (B, T) tokens a piece at a time. lengths: (B,), None if rows are full or no one needs the state after."""
    batch, time = tokens.shape
    width = max(_CELLS // max(batch, 1), 1)
    for at in range(0, time if batch else 0, width):
        ids = _tensor(network, tokens[:, at : at + width])
        left = None if lengths is None else torch.from_numpy((lengths - at).clip(0, ids.shape[1]))
        hidden, after = network(ids, state.network, None if left is None or _full(left, ids) else left)
        if take is not None:
            _give(torch.cat([state.hidden[:, None], hidden[:, :-1]], dim=1), places[:, at : at + width], take)
        state = NeuralState(_last(hidden, state.hidden, left), after)
    return state


def _full(lengths: Tensor, ids: Tensor) -> bool:
    return bool((lengths == ids.shape[1]).all())


def _last(hidden: Tensor, before: Tensor, lengths: Tensor | None) -> Tensor:
    """The hidden state after each row's last token, (B, H); what was before in rows that have read none."""
    if lengths is None:
        return hidden[:, -1]
    lengths = lengths.to(hidden.device)
    found = hidden[torch.arange(len(hidden), device=hidden.device), (lengths - 1).clamp(min=0)]
    return torch.where(lengths[:, None] > 0, found, before)


def _give(hidden: Tensor, places: Array, take: Take) -> None:
    """Hand over hidden states (B, T, H) without those of padding, whose place is -1."""
    found = torch.from_numpy(places.ravel())
    flat = hidden.flatten(0, 1)
    if (places < 0).any():
        real = torch.nonzero(found >= 0)[:, 0]
        found, flat = found[real], flat[real.to(flat.device)]
    take(flat, found.to(flat.device))


def _spans(ends: Array) -> Iterator[tuple[int, int]]:
    """Beginning and end of each sentence that a row's ends (T,) close."""
    after = np.flatnonzero(ends) + 1
    return zip(np.append(0, after[:-1]), after, strict=True) if len(after) else iter(())


def _batches(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces of like length together, as many as are read at once."""
    batch: list[_Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.end - piece.begin):
        if batch and (len(batch) + 1) * (piece.end - piece.begin) > _CELLS:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _padded(tokens: Ids_BT, pieces: list[_Piece]) -> tuple[Array, Array]:
    """Pieces as (N, T) ids, and where each of them is in ``tokens``; -1 pads both."""
    rows, begins, ends = np.array(pieces, dtype=np.int64).T[:, :, None]
    places = begins + np.arange(int((ends - begins).max()))
    inside = places < ends
    places = np.where(inside, rows * tokens.shape[1] + places, -1)
    return np.where(inside, tokens.ravel()[places], -1), places


def _tensor(network: Network, ids: Array) -> Tensor:
    """Ids for the network; padding, which it does not mind, is read as id 0."""
    return torch.from_numpy(np.maximum(ids, 0, dtype=np.int64)).to(_device(network))


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device
