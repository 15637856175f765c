"""A pretrained text encoder (BERT's kind: Devlin et al. 2019) from a local directory, frozen: texts in, vectors out.

    config.json      the architecture and its sizes
    *.safetensors    the weights
    tokenizer.json   the pieces

As in ``huggingface``: nothing is fetched, no code from a directory runs, and nothing is unpickled. N texts, B rows,
T pieces, D numbers a vector.
"""

import contextlib
import inspect
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import tokenizers
import torch
from torch import Tensor

from nextword.errors import StoreError, UsageError
from nextword.neural import require_transformers
from nextword.neural.device import choose_device
from nextword.neural.huggingface import find_files
from nextword.types import Array, Json

Pooling = Literal["mean", "cls"]
_TOKENIZER = "tokenizer.json"
_OF_THE_FILE = ("_name_or_path", "quantization_config", "transformers_version")  # what a configuration says of its file


class Encoder:
    """A frozen encoder and its tokenizer. Its arrays are the weights, float32, and the bytes of its tokenizer.json.

    limit: pieces of a text that it can read, ``[CLS]`` and ``[SEP]`` among them; what is beyond is left out.
    truncated: how many texts of the last call of ``vectors`` were longer.
    """

    def __init__(self, network: Any, tokenizer_json: bytes, *, device: str = "auto"):
        """Raises UsageError for a network that is no encoder of one text, or a tokenizer that does not fit it."""
        _check(network)
        self.device = choose_device(device)
        self.network = network.eval().requires_grad_(False).to(self.device)
        self._takes_types = "token_type_ids" in inspect.signature(network.forward).parameters
        self._tokenizer_json = bytes(tokenizer_json)
        self._tokenizer = _tokenizer(self._tokenizer_json)
        self.limit = _longest(network)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.limit)
        rows = network.get_input_embeddings().num_embeddings
        if self._tokenizer.get_vocab_size() > rows:
            raise UsageError(f"its tokenizer has {self._tokenizer.get_vocab_size()} pieces, its network {rows}")
        self.truncated = 0

    @property
    def size(self) -> int:
        """D."""
        return int(self.network.config.hidden_size)

    def vectors(self, texts: Sequence[str], *, pooling: Pooling = "mean", batch_size: int = 64) -> Array:
        """A vector for each text, (N, D) float32: the mean of its pieces' last states, or the first piece's (cls).

        Texts of like length are encoded together; padding is attended to by none, and counted in no mean.
        """
        if pooling not in get_args(Pooling):
            raise UsageError(f"unknown pooling {pooling!r}; choose one of {', '.join(get_args(Pooling))}")
        encoded = self._tokenizer.encode_batch(list(texts))
        rows = [encoding.ids for encoding in encoded]
        self.truncated = sum(bool(encoding.overflowing) for encoding in encoded)
        found = np.zeros((len(rows), self.size), dtype=np.float32)
        order = sorted((i for i in range(len(rows)) if rows[i]), key=lambda i: len(rows[i]))
        for begin in range(0, len(order), batch_size):
            batch = order[begin : begin + batch_size]
            found[batch] = self._encode([rows[i] for i in batch], pooling)
        return found

    @torch.inference_mode()
    def _encode(self, rows: list[list[int]], pooling: Pooling) -> Array:
        width = max(map(len, rows))
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])  # (B, T)
        filling = self.network.config.pad_token_id or 0
        ids = torch.tensor([row + [filling] * (width - len(row)) for row in rows])  # (B, T)
        mask, ids = mask.to(self.device), ids.to(self.device)
        types = {"token_type_ids": torch.zeros_like(ids)} if self._takes_types else {}
        states: Tensor = self.network(input_ids=ids, attention_mask=mask, **types).last_hidden_state  # (B, T, D)
        if pooling == "cls":
            pooled = states[:, 0]  # (B, D)
        else:
            weights = mask[:, :, None].to(states.dtype)  # (B, T, 1)
            pooled = (states * weights).sum(1) / weights.sum(1)  # (B, D)
        vectors: Array = pooled.float().cpu().numpy()
        return vectors

    def parameters(self) -> Json:
        """Its configuration, for ``from_arrays``."""
        config: Json = json.loads(self.network.config.to_json_string(use_diff=False))
        return {name: value for name, value in config.items() if name not in _OF_THE_FILE}

    def arrays(self) -> dict[str, Array]:
        """The weights by name, and the tokenizer's bytes."""
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in self.network.named_parameters()}
        return {**weights, _TOKENIZER: np.frombuffer(self._tokenizer_json, dtype=np.uint8)}

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], *, device: str = "auto") -> "Encoder":
        """An encoder over stored arrays, which are copied. Raises UsageError if they do not fit together."""
        require_transformers()
        from transformers import AutoConfig, AutoModel

        weights = dict(arrays)
        tokenizer_json = weights.pop(_TOKENIZER, np.zeros(0, dtype=np.uint8)).tobytes()
        try:
            with torch.random.fork_rng(devices=[]):  # no random numbers are drawn that someone else would have drawn
                network = AutoModel.from_config(AutoConfig.for_model(**parameters), trust_remote_code=False)
        except Exception as error:  # the library raises anything
            raise UsageError(f"its configuration makes no encoder ({error}); train or copy the model again") from error
        own = dict(network.named_parameters())
        if {name: tuple(weight.shape) for name, weight in own.items()} != {n: a.shape for n, a in weights.items()}:
            raise UsageError("the encoder's weights are not those of its configuration; train or copy the model again")
        for name, weight in own.items():
            weight.detach().numpy()[...] = weights[name]
        return cls(network, tokenizer_json, device=device)


def open_encoder(directory: str | Path, *, device: str = "auto") -> Encoder:
    """The encoder in a local Hugging Face directory: safetensors, config.json and tokenizer.json.

    Raises StoreError, which begins with the path, for what is missing or cannot be read without unpickling it.
    """
    require_transformers()
    path = Path(directory)
    if not path.is_dir():
        raise StoreError(
            f"{path}: is no directory; name one with an encoder's config.json, safetensors and {_TOKENIZER}"
        )
    files = find_files(path)
    if files.gguf or not (path / _TOKENIZER).is_file():
        lacking = "safetensors" if files.gguf else _TOKENIZER
        raise StoreError(f"{path}: holds no {lacking}, which an encoder needs; copy the model again")
    import transformers

    with _explained(path), contextlib.redirect_stderr(io.StringIO()):  # its progress bars
        network, report = transformers.AutoModel.from_pretrained(
            path.absolute(), local_files_only=True, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32, output_loading_info=True,
        )  # fmt: skip
        missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
        if missing:
            raise UsageError(f"its file lacks {len(missing)} weights, such as {missing[0]}; copy the model again")
        return Encoder(network, (path / _TOKENIZER).read_bytes(), device=device)


def _check(network: Any) -> None:
    config = network.config
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False):
        raise UsageError(f"a {config.model_type} is no encoder of one text; name a model of BERT's kind")
    if "attention_mask" not in inspect.signature(network.forward).parameters or not hasattr(config, "hidden_size"):
        raise UsageError(f"a {config.model_type} gives no vectors of masked text; name a model of BERT's kind")


def _tokenizer(data: bytes) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(data.decode())
    except Exception as error:  # the library raises a bare Exception
        raise UsageError(f"its {_TOKENIZER} cannot be read ({error}); copy the model again") from error


def _longest(network: Any) -> int:
    """Positions of a text; RoBERTa's kind numbers them from the one after its padding's."""
    longest = getattr(network.config, "max_position_embeddings", None) or 512
    positions = getattr(getattr(network, "embeddings", None), "position_embeddings", None)
    before = getattr(positions, "padding_idx", None)
    return int(longest if before is None else longest - before - 1)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What other libraries raise for a directory that they cannot read, as a StoreError of one line."""
    try:
        yield
    except Exception as error:  # they raise anything, down to KeyError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"{path}: cannot be opened as an encoder: {reason}") from error
