"""Text in, neural model out: what ``ngram.train`` is for counts."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nextword.errors import TrainingError, UsageError
from nextword.neural.embeddings import load_embeddings
from nextword.neural.families import build, settings_of
from nextword.neural.language import train_network
from nextword.neural.metrics import Record, Watch
from nextword.neural.model import NeuralModel, Scope
from nextword.neural.network import Network
from nextword.neural.place import Report
from nextword.neural.training_settings import TrainingSettings, usual_settings
from nextword.text.blocks import Block
from nextword.text.encode import EOS
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Ids_T, Json

_OPTIONS = ("min_count", "vocab_size", "embeddings", "directory", "resume", "tensorboard", "watch")


class Trained(NamedTuple):
    """A model and how its training went."""

    model: NeuralModel
    report: Report
    settings: TrainingSettings

    def to_json(self) -> Json:
        """What is recorded in a model directory."""
        measured = {"valid_perplexity": self.report.valid_perplexity}
        return {"training": asdict(self.settings), **self.report._asdict(), **measured}


def train_neural(
    corpus: Iterable[Block],
    *,
    kind: str,
    network: Json | None = None,
    settings: TrainingSettings | None = None,
    valid: Iterable[Block] | None = None,
    pipeline: Pipeline | None = None,
    min_count: int = 1,
    vocab_size: int | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Trained:
    """Train a neural model on a text, one sentence a line.

    kind: window, rnn, gru, lstm or transformer; network: its settings (``families``), where they are not the usual
    ones. settings: those of the training; usual ones for the kind unless given. valid: a text to measure on, which
    decides which weights are kept. min_count, vocab_size: rarer words become ``<unk>``. progress: called with each
    stage's name. options: those of ``train_on_tokens``, which has the errors too.
    """
    say, reader = progress or (lambda stage: None), pipeline or Pipeline()
    say("reading")
    tokens, vocabulary = read(corpus, reader, min_count=min_count, vocab_size=vocab_size)
    held_out = None if valid is None else encode(valid, vocabulary, reader)
    say("training")
    return train_on_tokens(tokens, vocabulary, kind=kind, network=network, settings=settings, valid=held_out, **options)


def train_on_tokens(
    tokens: Ids_T,
    vocabulary: Vocabulary,
    *,
    kind: str,
    network: Json | None = None,
    settings: TrainingSettings | None = None,
    valid: Ids_T | None = None,
    embeddings: str | Path | None = None,
    directory: str | Path | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    watch: Watch | None = None,
    record: Record | None = None,
) -> Trained:
    """As ``train_neural``, on token ids, (1 + T,): ``</s>`` before the first sentence and at the end of each.

    embeddings: a file in the word2vec text format to begin with. directory, resume, tensorboard, watch, record: see
    ``train_network``. Raises what that does, and UsageError for settings that do not suit the network.
    """
    chosen = settings_for(kind, network or {}, settings)
    start = None if embeddings is None else initial_embeddings(kind, network or {}, vocabulary, embeddings)
    made = new_network(kind, network or {}, vocabulary, chosen, start)
    identity: Json = {"vocabulary": _described(vocabulary)}
    if start is not None:
        identity["embeddings"] = {"embeddings": hashlib.sha256(start.data).hexdigest()[:16]}
    report = train_network(
        made,
        tokens,
        chosen,
        valid=valid,
        directory=directory,
        resume=resume,
        identity=identity,
        tensorboard=tensorboard,
        watch=watch,
        record=record,
    )
    scope: Scope = "sentence" if chosen.mode == "sentence" else "stream"
    return Trained(NeuralModel(made, vocabulary, scope=scope), report, chosen)


def split_settings(kind: str, given: Json) -> tuple[Json, TrainingSettings, Json]:
    """Settings by name as those of the network, those of the training, and the other options of ``train_neural``."""
    of_training = {field.name for field in fields(TrainingSettings)}
    others = {name: value for name, value in given.items() if name in _OPTIONS}
    training = {name: value for name, value in given.items() if name in of_training}
    network = {name: given[name] for name in given if name not in {*others, *training}}
    usual = settings_for(kind, network, None)
    if "steps" in training or "minutes" in training or "epochs" in training:
        training = {"epochs": None, "steps": None, "minutes": None, **training}
    return network, settings_for(kind, network, replace(usual, **training)), others


def settings_for(kind: str, network: Json, settings: TrainingSettings | None) -> TrainingSettings:
    """Settings that suit the network; UsageError if those given do not."""
    of_network = settings_of(kind, network)
    context = getattr(of_network, "context", None)
    if settings is None:
        usual = usual_settings(kind)
        return replace(usual, bptt=min(usual.bptt, context)) if context else usual
    if kind == "window" and settings.mode != "sentence":
        raise UsageError(f"a window model reads sentences, so its mode is sentence, not {settings.mode}; leave it out")
    if context is not None and settings.bptt > context:
        raise UsageError(
            f"bptt is {settings.bptt}, but the {kind} has a context of {context} tokens; give bptt that or less, or a "
            "larger context"
        )
    return settings


def new_network(
    kind: str, network: Json, vocabulary: Vocabulary, settings: TrainingSettings, start: Array | None = None
) -> Network:
    """A network with random weights, drawn from the settings' seed, and with ``start`` (V, D) for its embeddings."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        made = build(kind, network, len(vocabulary), vocabulary.bos)
    if start is not None:
        with torch.no_grad():
            made.get_parameter("embedding.weight").copy_(torch.from_numpy(start))
    return made


def initial_embeddings(kind: str, network: Json, vocabulary: Vocabulary, file: str | Path) -> Array:
    """Vectors from a file for the words that it has, (V, D), small random ones for others."""
    return load_embeddings(file, vocabulary, settings_of(kind, network).embedding_size)[0]


def read(
    corpus: Iterable[Block], pipeline: Pipeline, *, min_count: int = 1, vocab_size: int | None = None
) -> tuple[Ids_T, Vocabulary]:
    """All tokens of a text, (1 + T,), ``</s>`` first, and the vocabulary of their ids; see ``Indexer.finish``."""
    indexer = Indexer()
    for block in corpus:
        indexer.read(pipeline.canonical(block.text).text, block.where)
    return indexer.finish(min_count=min_count, vocab_size=vocab_size)


def encode(text: Iterable[Block], vocabulary: Vocabulary, pipeline: Pipeline) -> Ids_T:
    """Ids of a text, ``</s>`` first, (1 + T,). Raises TrainingError if the vocabulary has none of its words."""
    parts, words, unknown = [np.array([EOS], dtype=np.int32)], 0, 0
    for block in text:
        found = vocabulary.encode(pipeline.canonical(block.text).text, block.where)
        words, unknown = words + int(np.count_nonzero(found.ids != EOS)), unknown + found.oov
        parts.append(found.ids)
    if words and words == unknown:
        raise TrainingError(
            f"the vocabulary of the training text ({len(vocabulary) - len(SPECIALS):,} words) has none of the "
            "validation text's; give a text of the same language, cut into tokens in the same way"
        )
    return np.concatenate(parts)


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that ``torchrun`` has started; true without it."""
    return os.environ.get("RANK", "0") == "0"


def _described(vocabulary: Vocabulary) -> str:
    arrays = vocabulary.arrays()
    digest = hashlib.sha256(arrays["words"].data)
    digest.update(arrays["offsets"].data)
    return f"{len(vocabulary):,} words, {digest.hexdigest()[:8]}"
