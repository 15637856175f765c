r"""A pretrained causal language model from Hugging Face's ecosystem, through the same protocol as all others.

Text is one stream, as when such models were trained: a token that begins a document, then line after line, each cut
into pieces by the model's own tokenizer and ended by its newline token, which is the ``</s>`` here. So every byte of
the text, newlines included, is paid for, and bits per byte compare with those of any other model; perplexity is per
piece. A tokenizer that would make one piece of a newline and what is around it (``.\n``) is held to its pieces within
lines: the probability is that of one way to write the text, as it always is with pieces.

B rows, T tokens, S tokens in the cache, V ids.
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nextword.errors import StoreError, UsageError
from nextword.neural.device import choose_device
from nextword.neural.huggingface import Files, find_files, new_network, open_network, open_pipeline, special_tokens
from nextword.neural.quantize import Weights, compress, expand
from nextword.text.bpe import PieceTokenizer
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Ids_BT, Ids_R, Json

_OF_THE_FILE = ("_name_or_path", "quantization_config", "transformers_version")  # what a configuration says of its file
_LOGITS = 1 << 25  # numbers before the softmax that are in memory at once
_NEWLINES = ("Ċ", "<0x0A>", "\n")  # a newline as byte-level pieces write it, as byte fallback does, and as it is
_DOCUMENT = "<|endoftext|>"  # where there is one, text came after it in training, and chat models keep bos for turns
Layers = tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True, eq=False)
class CacheState:
    """What rows have read. layers: keys and values, (B, heads, S, d) each; tokens: (B, S). Rows end together, at S.

    lengths: (B,), how many of the S are a row's own; what is before them is filling. logits: (B, V), of what comes
    next. No tensor is ever written to, so states may share them.
    """

    layers: Layers
    tokens: Tensor
    lengths: Tensor
    logits: Tensor


class PretrainedModel:
    """A LanguageModel around a causal model of the ``transformers`` library; its state is the key/value cache.

    Past its context it keeps the token that began the text and the last half of the context, and reads those again.
    """

    kind: ClassVar[str] = "pretrained"
    scope: Literal["stream"] = "stream"
    stored_as: Weights = "float32"

    def __init__(self, network: Any, vocabulary: Vocabulary, *, first: int):
        """first: the id that begins a text. Raises UsageError for a network without a key/value cache."""
        _check(network, vocabulary, first)
        self.network, self.vocabulary, self.first = network.eval(), vocabulary, first
        self.context_length: int | None = getattr(network.config.get_text_config(), "max_position_embeddings", None)
        accepted = inspect.signature(network.forward).parameters
        self._takes_positions, self._keeps_logits = ("position_ids" in accepted), ("logits_to_keep" in accepted)
        self._begun: CacheState | None = None

    def __repr__(self) -> str:
        size = sum(weight.numel() for weight in self.network.parameters())
        return f"PretrainedModel({self.network.config.model_type}, {len(self.vocabulary):,} words, {size:,} parameters)"

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored."""
        config: Json = json.loads(self.network.config.to_json_string(use_diff=False))
        return {"first": self.first, "config": {k: v for k, v in config.items() if k not in _OF_THE_FILE}}

    def arrays(self) -> dict[str, Array]:
        """The weights by name, a tied one once, to be stored."""
        weights = {name: _numpy(weight.detach()) for name, weight in self.network.named_parameters()}
        return compress(weights, self.stored_as)

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "PretrainedModel":
        """A model over stored weights, which are copied, on the CPU. Raises UsageError if they do not fit together."""
        stored_as, weights = expand(arrays)
        model = cls(new_network(parameters["config"]), vocabulary, first=parameters["first"])
        model.stored_as = stored_as
        expected = dict(model.network.named_parameters())
        if {name: tuple(weight.shape) for name, weight in expected.items()} != {n: a.shape for n, a in weights.items()}:
            raise UsageError("the weights are not those of its configuration; quantise or copy the model again")
        for name, weight in expected.items():
            weight.detach().numpy()[...] = weights[name]
        return model

    def start(self, batch: int) -> CacheState:
        """The state of rows that have read the token that begins a text."""
        if self._begun is None:
            first = torch.full((1, 1), self.first, device=self.network.device)
            logits, layers = self._forward(first, None, first.new_zeros(1), every=False)
            self._begun = CacheState(layers, first, first.new_ones(1), logits[:, -1])
        return _select(self._begun, torch.zeros(batch, dtype=torch.int64, device=self.network.device))

    def log_probs(self, state: CacheState) -> Float_BV:
        """Log-probabilities of every next token, (B, V) nats, float32."""
        return _numpy(state.logits.log_softmax(dim=-1))

    def advance(self, state: CacheState, tokens: Ids_BT) -> CacheState:
        """The state after reading (B, T) more tokens."""
        for _, after in self._read(tokens, state, every=False):
            state = after
        return state

    def select(self, state: CacheState, rows: Ids_R) -> CacheState:
        """Rows of the state, reordered or repeated."""
        return _select(state, torch.as_tensor(np.array(rows, dtype=np.int64), device=state.logits.device))

    def join(self, states: Sequence[CacheState]) -> CacheState:
        """The rows of all the states, in order; the shorter caches are filled up in front."""
        return _joined(states)

    def token_log_probs(self, tokens: Ids_BT, state: CacheState | None = None) -> tuple[Float_BT, CacheState]:
        """Log-probability of each token in its row, (B, T) nats, and the state after; -1 scores 0."""
        state = self.start(len(tokens)) if state is None else state
        scores, at = np.zeros(tokens.shape, dtype=np.float32), 0
        for logits, after in self._read(tokens, state, every=True):
            state, some = after, tokens[:, at : at + logits.shape[1]]
            targets = torch.from_numpy(some.astype(np.int64)).to(logits.device).clamp(min=0)
            found = logits.gather(2, targets[:, :, None])[:, :, 0] - logits.logsumexp(dim=2)
            scores[:, at : at + some.shape[1]] = np.where(some >= 0, _numpy(found), 0)
            at += some.shape[1]
        return scores, state

    def distributions(self, tokens: Ids_BT, state: CacheState) -> Iterator[tuple[Array, CacheState]]:
        """Log-probabilities before each token, a few tokens at a time, (B, n, V) nats, and the state after those.

        Those at the ends of rows, where tokens are -1, mean nothing.
        """
        for logits, after in self._read(tokens, state, every=True):
            yield _numpy(logits.log_softmax(dim=-1)), after

    def _read(self, tokens: Ids_BT, state: CacheState, *, every: bool) -> Iterator[tuple[Tensor, CacheState]]:
        """Read tokens (B, T), a few columns at a time, and give what predicted each, (B, n, V), and the state after.

        every: whether these logits are wanted; without it they are the last ones only, and mean nothing.
        """
        ids = torch.from_numpy(np.array(tokens, dtype=np.int64)).to(state.logits.device)
        totals = (ids >= 0).sum(dim=1)
        most = max(1, _LOGITS // max(1, len(ids) * len(self.vocabulary)))
        at, end = 0, int(totals.max()) if ids.numel() else 0
        while at < end:
            reading = totals > at
            state = self._with_room(state, reading)
            room = end - at
            if self.context_length is not None:
                room = min(room, self.context_length - int(state.lengths[reading].max()))
            size = min(room, most)
            before = state.logits
            logits, state = self._step(state, ids[:, at : at + size], every=every)
            yield (torch.cat([before[:, None], logits[:, :-1]], dim=1) if every else logits), state
            at += size

    def _step(self, state: CacheState, ids: Tensor, *, every: bool) -> tuple[Tensor, CacheState]:
        """Read (B, n) ids, -1 at the ends of rows, which all have room. Returns logits after each, (B, n, V)."""
        counts, time = (ids >= 0).sum(dim=1), ids.shape[1]
        even = bool((counts == time).all())
        logits, layers = self._forward(ids.clamp(min=0), state.layers, state.lengths, every=every or not even)
        lengths, tokens = state.lengths + counts, torch.cat([state.tokens, ids], dim=1)
        if even:
            return logits, CacheState(layers, tokens, lengths, logits[:, -1])
        last = logits[torch.arange(len(ids), device=ids.device), (counts - 1).clamp(min=0)]
        last = torch.where((counts > 0)[:, None], last, state.logits)
        index = _ends_together(tokens.shape[1], time - counts, int(lengths.max()))
        layers = tuple((_gathered(keys, index), _gathered(values, index)) for keys, values in layers)
        return logits, CacheState(layers, tokens.gather(1, index), lengths, last)

    def _with_room(self, state: CacheState, reading: Tensor) -> CacheState:
        """The state in which those rows that are to read on and whose context is full have read its last half again."""
        if self.context_length is None or not bool((full := reading & (state.lengths >= self.context_length)).any()):
            return state
        kept = self.context_length // 2
        rows = torch.nonzero(full)[:, 0]
        again = torch.cat([torch.full_like(rows, self.first)[:, None], state.tokens[rows, -kept:]], dim=1)
        _, layers = self._forward(again, None, torch.zeros_like(rows), every=False)
        lengths = state.lengths.index_fill(0, rows, kept + 1)
        longest = int(lengths.max())
        tokens = _replaced(state.tokens, rows, again, longest, 1)
        joined = tuple(
            (_replaced(keys, rows, new_keys, longest, 2), _replaced(values, rows, new_values, longest, 2))
            for (keys, values), (new_keys, new_values) in zip(state.layers, layers, strict=True)
        )
        return CacheState(joined, tokens, lengths, state.logits)

    @torch.inference_mode()
    def _forward(self, ids: Tensor, layers: Layers | None, lengths: Tensor, *, every: bool) -> tuple[Tensor, Layers]:
        """Logits after each of (B, n) ids, or the last one, float32; and the keys and values, (B, heads, S + n, d).

        lengths: (B,), how many of the S in ``layers`` are a row's own.
        """
        from transformers.cache_utils import DynamicCache, DynamicLayer

        cache, held = DynamicCache(), 0
        for keys, values in layers or ():
            layer = DynamicLayer()
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys, values
            cache.layers.append(layer)
            held = keys.shape[2]
        steps = torch.arange(ids.shape[1], device=ids.device)
        options: Json = {} if every or not self._keeps_logits else {"logits_to_keep": 1}
        if self._takes_positions:
            last = ids.shape[1] + held if self.context_length is None else self.context_length
            options["position_ids"] = (lengths[:, None] + steps).clamp(max=last - 1)
        if bool((lengths != held).any()):
            places = torch.arange(held + len(steps), device=ids.device)
            options["attention_mask"] = (places >= held - lengths[:, None]).long()
        found = self.network(input_ids=ids, past_key_values=cache, use_cache=True, **options)
        return found.logits.float(), tuple((layer.keys, layer.values) for layer in found.past_key_values.layers)


def load_pretrained(
    path: str | Path, *, precision: Literal["float32", "bfloat16"] = "float32", device: str = "cpu"
) -> tuple[PretrainedModel, Pipeline]:
    """The model and the tokenizer in a local Hugging Face directory or GGUF file; nothing is fetched or unpickled.

    precision: of the weights in memory and of the arithmetic. Raises StoreError, which names what is wrong.
    """
    chosen = choose_device(device)
    files = find_files(Path(path))
    pipeline = open_pipeline(files)
    network = open_network(files, getattr(torch, precision)).to(chosen)
    try:
        return _assembled(files, network, pipeline), pipeline
    except UsageError as error:
        raise StoreError(f"{path}: {error}") from error


def _assembled(files: Files, network: Any, pipeline: Pipeline) -> PretrainedModel:
    tokenizer = pipeline.tokenizer
    assert isinstance(tokenizer, PieceTokenizer)  # open_pipeline makes no other; this tells mypy
    bos, eos = special_tokens(files, network.config)
    first = next((i for i in (tokenizer.id(_DOCUMENT), bos, eos) if i is not None), None)
    if first is None:
        raise UsageError("it names no token that begins or ends a text (bos_token_id, eos_token_id in config.json)")
    size = network.config.get_text_config().vocab_size
    return PretrainedModel(network, _vocabulary(tokenizer, size, eos), first=first)


def _vocabulary(tokenizer: PieceTokenizer, size: int, eos: int | None) -> Vocabulary:
    """The pieces by id. Networks often have room for more ids than the tokenizer has pieces: these get names too."""
    written = tokenizer.words
    if max(written) >= size:
        raise UsageError(f"its tokenizer has ids up to {max(written)}, its network predicts {size} ids; copy it again")
    words = [written.get(i, f"<unused_{i}>") for i in range(size)]
    newline = next((i for i in map(tokenizer.id, _NEWLINES) if i is not None), eos)
    return Vocabulary.from_words(words, unk=tokenizer.unknown, bos=None, eos=newline)


def _check(network: Any, vocabulary: Vocabulary, first: int) -> None:
    if getattr(network, "_is_stateful", False) or not getattr(network.config.get_text_config(), "use_cache", True):
        raise UsageError(f"a {network.config.model_type} keeps no key/value cache, which a pretrained model needs here")
    if network.config.get_text_config().vocab_size != len(vocabulary):
        raise UsageError(f"the network predicts {network.config.vocab_size} ids, its vocabulary has {len(vocabulary)}")
    if not 0 <= first < len(vocabulary):
        raise UsageError(f"texts begin with id {first}, which is not among the {len(vocabulary)} of the vocabulary")


def _select(state: CacheState, rows: Tensor) -> CacheState:
    layers = tuple((keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in state.layers)
    chosen = (part.index_select(0, rows) for part in (state.tokens, state.lengths, state.logits))
    return CacheState(layers, *chosen)


def _joined(states: Sequence[CacheState]) -> CacheState:
    """Rows end together, so what fills a shorter cache comes first, where ``lengths`` hides it."""
    longest = max(state.tokens.shape[1] for state in states)

    def cat(parts: Iterable[Tensor], *after: int) -> Tensor:
        gaps = (longest - state.tokens.shape[1] for state in states)
        return torch.cat([functional.pad(part, (*after, gap, 0)) for part, gap in zip(parts, gaps, strict=True)])

    by_layer = (zip(*layer, strict=True) for layer in zip(*(state.layers for state in states), strict=True))
    layers = tuple((cat(keys, 0, 0), cat(values, 0, 0)) for keys, values in by_layer)
    lengths, logits = torch.cat([state.lengths for state in states]), torch.cat([state.logits for state in states])
    return CacheState(layers, cat(state.tokens for state in states), lengths, logits)


def _ends_together(held: int, gaps: Tensor, size: int) -> Tensor:
    """Where rows of ``held`` places, the last ``gaps`` (B,) of them empty, have what belongs in the last ``size``."""
    places = torch.arange(held - size, held, device=gaps.device)
    return (places - gaps[:, None]).clamp(min=0)


def _gathered(values: Tensor, index: Tensor) -> Tensor:
    """Of (B, heads, S, d) the places ``index``, (B, n), of each row."""
    rows = index[:, None, :, None].expand(-1, values.shape[1], -1, values.shape[3])
    return values.gather(2, rows)


def _replaced(old: Tensor, rows: Tensor, new: Tensor, size: int, dim: int) -> Tensor:
    """The last ``size`` places along ``dim`` of ``old``, with ``new`` at the end of the rows it is for."""
    kept = old.narrow(dim, old.shape[dim] - size, size).clone()
    kept.narrow(dim, size - new.shape[dim], new.shape[dim])[rows] = new
    return kept


def _numpy(values: Tensor) -> Array:
    found: Array = values.float().cpu().numpy()
    return found
