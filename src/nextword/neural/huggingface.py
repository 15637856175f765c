"""What a pretrained model's files hold: a Hugging Face directory (safetensors), or a GGUF file. All of it local.

    config.json                        the architecture and its sizes
    *.safetensors or one *.gguf        the weights; a .gguf file brings configuration and tokenizer too
    tokenizer.json, or what makes one  the pieces

Nothing is fetched, whatever a configuration names; no code from a directory runs, and nothing is unpickled.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers

from nextword.errors import StoreError, UsageError
from nextword.neural import require_transformers
from nextword.text.bpe import PRETRAINED, PieceTokenizer
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.types import Json

CONTROL, USER_DEFINED = 3, 4  # GGUF's types of tokens that stand for no text of their own, or are never split
# Split before byte-level pieces are made, by the names that llama.cpp gives to pre-tokenizers (llama-vocab.cpp).
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LATER = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3, _QWEN2 = _LATER.replace("DIGITS", "{1,3}"), _LATER.replace("DIGITS", "")
_SPLITS = {
    **dict.fromkeys(("gpt-2", "phi-2", "jina-es", "jina-de", "jais", "mpt", "olmo"), (None, _GPT2)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (r"\p{N}", _GPT2)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "dbrx", "smaug-bpe"), (None, _LLAMA3)),
    **dict.fromkeys(("qwen2", "stablelm2", "deepseek-r1-qwen"), (None, _QWEN2)),
}
_FORMS = {"NFC": "nfc", "NFD": "nfd", "NFKC": "nfkc", "NFKD": "nfkd"}


@dataclass(frozen=True)
class Files:
    """A pretrained model's directory, and the one GGUF file in it that is meant, if it is of that kind."""

    directory: Path
    gguf: str | None

    @property
    def path(self) -> Path:
        """What to name in messages."""
        return self.directory / self.gguf if self.gguf else self.directory

    @property
    def size(self) -> int:
        """Bytes of the weights on disk."""
        names = [self.path] if self.gguf else self.directory.glob("*.safetensors")
        return sum(file.stat().st_size for file in names)

    @cached_property
    def metadata(self) -> Json:
        """What a GGUF file says about itself."""
        from gguf import GGUFReader

        with _explained(self.path):
            return {name: field.contents() for name, field in GGUFReader(self.path).fields.items()}


def find_files(path: Path) -> Files:
    """What ``path`` names. Raises StoreError if nothing there can be read without unpickling."""
    if path.is_file():
        return Files(path.parent.absolute(), path.name)
    ggufs = sorted(file.name for file in path.glob("*.gguf"))
    if any(path.glob("*.safetensors")):
        return Files(path.absolute(), None)
    if len(ggufs) == 1:
        return Files(path.absolute(), ggufs[0])
    if ggufs:
        raise StoreError(f"{path}: holds {len(ggufs)} GGUF files; name the one to open, for example {path / ggufs[0]}")
    pickled = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in path.glob(pattern))
    if pickled:
        raise StoreError(
            f"{path}: its weights are pickled ({pickled[0]}), and nextword unpickles nothing, for that can run any "
            "program; take the model's safetensors, or convert them where you trust the file"
        )
    raise StoreError(f"{path}: holds no weights, expected *.safetensors or a *.gguf file; copy the model again")


def open_network(files: Files, dtype: torch.dtype) -> Any:
    """The network as ``transformers`` builds it, its weights of type ``dtype``, in evaluation mode, on the CPU.

    GGUF's weights, which are quantised, are turned back into numbers. Raises StoreError if it cannot be read.
    """
    import transformers

    source: Json = {"gguf_file": files.gguf} if files.gguf else {"use_safetensors": True}
    if files.gguf and hasattr(transformers, "GgufConfig"):  # versions that could compute with packed weights,
        source["quantization_config"] = transformers.GgufConfig(dequantize=True)  # by kernels that they would fetch
    with _explained(files.path), contextlib.redirect_stderr(io.StringIO()):  # its progress bars
        network = transformers.AutoModelForCausalLM.from_pretrained(
            files.directory, local_files_only=True, trust_remote_code=False, dtype=dtype, **source
        )
    return network.eval()


def new_network(config: Json) -> Any:
    """A network of a stored configuration, float32, its weights yet to be set. Raises UsageError if none can be."""
    require_transformers()
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        described = AutoConfig.for_model(**config)
        with torch.random.fork_rng(devices=[]):  # no random numbers are drawn that someone else would have drawn
            return AutoModelForCausalLM.from_config(described, trust_remote_code=False, dtype=torch.float32)
    except Exception as error:  # the library raises anything
        raise UsageError(f"its configuration makes no causal language model ({error}); copy the model again") from error


def open_pipeline(files: Files) -> Pipeline:
    """The model's tokenizer as a text pipeline; what of its normaliser nextword has too becomes the pipeline's."""
    tokenizer = PieceTokenizer(_tokenizer_json(files), name=PRETRAINED)
    return Pipeline(_normalizer(json.loads(tokenizer.payloads()["tokenizer.json"]).get("normalizer")), tokenizer)


def special_tokens(files: Files, config: Any) -> tuple[int | None, int | None]:
    """Ids of the beginning and the end of a document, as the tokenizer's files or the configuration have them."""
    if files.gguf:
        return tuple(files.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))  # type: ignore[return-value]
    ends = getattr(config, "eos_token_id", None)
    return getattr(config, "bos_token_id", None), ends[0] if isinstance(ends, list) else ends


def _tokenizer_json(files: Files) -> bytes:
    ready = files.directory / "tokenizer.json"
    if not files.gguf and ready.is_file():
        with _explained(ready):
            return ready.read_bytes()
    if files.gguf and files.metadata.get("tokenizer.ggml.model") == "gpt2":
        with _explained(files.path):
            return byte_level(files.metadata).to_str().encode()
    from transformers import AutoTokenizer

    source = {"gguf_file": files.gguf} if files.gguf else {}
    with _explained(files.path), contextlib.redirect_stderr(io.StringIO()):
        made = AutoTokenizer.from_pretrained(files.directory, local_files_only=True, use_fast=True, **source)
        return made.backend_tokenizer.to_str().encode()


def byte_level(metadata: Json) -> tokenizers.Tokenizer:
    """The byte-level BPE tokenizer in a GGUF file's ``metadata``. Raises UsageError for an unknown way of splitting."""
    name = metadata.get("tokenizer.ggml.pre", "gpt-2")
    if name not in _SPLITS:
        raise UsageError(f"its text is split in a way named {name!r}, expected one of {', '.join(_SPLITS)}")
    pieces, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
    tokenizer = tokenizers.Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = _pre_tokenizer(*_SPLITS[name])
    tokenizer.decoder = decoders.ByteLevel()
    for piece, kind in zip(pieces, kinds, strict=True):
        if kind in (CONTROL, USER_DEFINED):
            tokenizer.add_tokens([tokenizers.AddedToken(piece, special=kind == CONTROL, normalized=False)])
    return tokenizer


def _pre_tokenizer(digits: str | None, pattern: str) -> pre_tokenizers.PreTokenizer:
    if pattern == _GPT2:  # built in, and the pipeline knows it by its name
        last = pre_tokenizers.ByteLevel(add_prefix_space=False)
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), last]) if digits else last
    split = pre_tokenizers.Split(tokenizers.Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _normalizer(description: Json | None) -> Normalizer:
    """The Unicode form and lower case of a tokenizer's normaliser, so that the bytes counted are those it reads."""
    if description is None:
        return Normalizer()
    steps = description["normalizers"] if description["type"] == "Sequence" else [description]
    names = [step["type"] for step in steps]
    form = next((_FORMS[name] for name in names if name in _FORMS), None)
    return Normalizer(form, lowercase="Lowercase" in names)  # type: ignore[arg-type]


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What other libraries raise for a file that they cannot read, as a StoreError of one line."""
    try:
        yield
    except UsageError as error:
        raise StoreError(f"{path}: {error}") from error
    except Exception as error:  # they raise anything, down to KeyError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"{path}: cannot be opened as a pretrained model: {reason}") from error
