"""What a user does with language models from Python: open, train, mix, prune, quantise."""

from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from nextword import store
from nextword.errors import StoreError, UsageError
from nextword.kinds import is_task
from nextword.lm import LM, Text, corpus_of
from nextword.manifest import is_pretrained
from nextword.neural import require_torch, require_transformers
from nextword.neural.training_settings import LANGUAGE_MODELS
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.compact.quantize import Layout
from nextword.ngram.compact.quantize import quantize as quantize_ngrams
from nextword.ngram.external.budget import DEFAULT_MEMORY
from nextword.ngram.external.training import train_external
from nextword.ngram.external.training import train_from_counts as train_counted
from nextword.ngram.marginals import History
from nextword.ngram.settings import default_threads
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.train import Progress, train_ngram
from nextword.tasks.mix import mix as mix_models
from nextword.tasks.prune import prune as prune_model
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Json

_ORDER = 5
_SMOOTHING: Name = "modified-kneser-ney"  # what n-gram models have unless told otherwise
_RECORDED = ("prune", "min_count", "vocab_size")  # settings that the model itself does not keep


def load(directory: str | Path) -> LM:
    """Open a model directory; its arrays are memory-mapped. Raises StoreError, which names what is wrong.

    A local Hugging Face directory (safetensors) or a GGUF file is opened too; see ``nextword.neural.pretrained``.
    """
    if is_pretrained(Path(directory)):
        require_transformers()
        from nextword.neural.pretrained import load_pretrained

        return LM(*load_pretrained(directory))
    stored = store.load(directory)
    if is_task(stored.config["kind"]):
        opened = type(stored.model)
        raise StoreError(
            f"{directory}: holds a {opened.noun}, expected a language model; open it with "
            f"{opened.__module__}.{opened.__qualname__}.load"
        )
    try:
        pipeline = Pipeline.from_config(stored.text, stored.payloads)
    except UsageError as error:
        raise StoreError(f"{directory}: its text pipeline cannot be used: {error}") from error
    return LM(stored.model, pipeline, info=stored.config)


def train(
    text: Text | Corpus,
    *,
    kind: Literal["ngram", "window", "rnn", "gru", "lstm", "transformer"] = "ngram",
    order: int = _ORDER,
    smoothing: Name | Smoothing = _SMOOTHING,
    tokenizer: str = "whitespace",
    normalizer: Normalizer | None = None,
    bpe_size: int = 8000,
    valid: Text | Corpus | None = None,
    blocks: Iterable[Block] | None = None,
    progress: Progress | None = None,
    prune_entropy: float | None = None,
    target_size: int | None = None,
    memory: str | int | None = None,
    temp: str | Path | None = None,
    resume: bool | None = None,
    keep_temp: bool = False,
    **settings: Any,
) -> LM:
    """Train a model on files of one sentence a line.

    settings: for an n-gram model those of ``nextword.train_ngram``; for a neural one those of its network (such as
    ``nextword.neural.recurrent.RecurrentSettings``), of ``TrainingSettings`` and of ``train_neural``, by name. Errors
    are those of the same functions.
    tokenizer: whitespace, word, char, byte, bpe (trained here, ``bpe_size`` pieces) or the path of a tokenizer.json.
    blocks: the corpus's own blocks, for a caller who watches them go by. progress: called with each stage's name.
    prune_entropy, target_size: of an n-gram model, as ``prune`` takes them, once it is trained.
    memory: bytes, or a size such as 2G: an n-gram model is counted in so much, with temporary files in ``temp``, a
    directory of their own. resume: go on from what a stopped call has left there, or a neural one where its directory
    is. keep_temp: leave the files to ``nextword.ngram.external.workplace.discard``, once the model is saved.
    """
    if kind not in ("ngram", *LANGUAGE_MODELS):
        raise UsageError(f"unknown kind of model {kind!r}; choose one of ngram, {', '.join(LANGUAGE_MODELS)}")
    if kind != "ngram":
        settings |= {} if resume is None else {"resume": resume}
        if (prune_entropy, target_size) != (None, None):
            raise UsageError(f"prune_entropy and target_size are of n-gram models, this is a {kind}; leave them out")
        settings = _neural_settings(kind, order, smoothing, settings)
    corpus, normal = corpus_of(text), normalizer or Normalizer()
    pipeline = Pipeline(normal, make_tokenizer(tokenizer, corpus=corpus, normalizer=normal, vocab_size=bpe_size))
    held_out = None if valid is None else corpus_of(valid)
    if kind != "ngram":
        return _train_neural(corpus, blocks, kind, pipeline, held_out, progress, settings)
    given: Json = {"order": order, "smoothing": smoothing, "pipeline": pipeline, "valid": held_out} | settings
    recorded = {name: settings[name] for name in _RECORDED if settings.get(name)}
    if (memory, temp, resume or None) == (None, None, None):
        model = train_ngram(corpus if blocks is None else blocks, progress=progress, **given)
        lm = LM(model, pipeline, info={"trained_on": corpus.sources, "settings": recorded})
    else:
        bounds: Json = {"memory": memory or DEFAULT_MEMORY, "temp": temp, "resume": bool(resume), "keep": keep_temp}
        trained = train_external(corpus, blocks=blocks, progress=progress, **bounds, **given)
        info = {"trained_on": trained.sources, "settings": recorded, "temporary_bytes": trained.temporary_bytes}
        lm = LM(trained.model, pipeline, info=info)
    if (prune_entropy, target_size) == (None, None):
        return lm
    return prune(lm, entropy=prune_entropy, target_size=target_size, progress=progress)


def train_from_counts(
    directory: str | Path,
    *,
    order: int | None = None,
    valid: Text | Corpus | None = None,
    prune_entropy: float | None = None,
    target_size: int | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> LM:
    """The n-gram model that ``train`` makes of a text, from what ``nextword count`` has made of it.

    order: that of the counts unless given. settings: smoothing, prune, limit_vocab, temp and threads, as for ``train``;
    how the text was read is settled. Raises StoreError for damaged counts, and what ``train`` raises.
    """
    held_out = None if valid is None else corpus_of(valid)
    trained, counts = train_counted(directory, order=order, valid=held_out, progress=progress, **settings)
    known = {"prune": settings.get("prune"), **counts.settings}
    recorded = {name: known[name] for name in _RECORDED if known[name]}
    info = {"trained_on": trained.sources, "settings": recorded, "temporary_bytes": trained.temporary_bytes}
    lm = LM(trained.model, counts.pipeline, info=info)
    if (prune_entropy, target_size) == (None, None):
        return lm
    return prune(lm, entropy=prune_entropy, target_size=target_size, progress=progress)


def _neural_settings(kind: str, order: int, smoothing: Name | Smoothing, settings: Json) -> Json:
    """Settings of a neural model. Raises UsageError for those of n-gram models, and without PyTorch."""
    require_torch()
    if smoothing != _SMOOTHING:
        raise UsageError(f"smoothing={smoothing!r} is for n-gram models, and a {kind} model has none; leave it out")
    if kind == "window":
        return {"order": order, **settings}
    if order != _ORDER:
        raise UsageError(f"order={order} is for n-gram and window models, and a {kind} model has none; leave it out")
    return settings


def _train_neural(
    corpus: Corpus,
    blocks: Iterable[Block] | None,
    kind: str,
    pipeline: Pipeline,
    valid: Corpus | None,
    progress: Progress | None,
    settings: Json,
) -> LM:
    from nextword.neural.train import split_settings, train_neural

    network, training, options = split_settings(kind, settings)
    given: Json = {"kind": kind, "network": network, "settings": training, **options}
    text = corpus if blocks is None else blocks
    trained = train_neural(text, valid=valid, pipeline=pipeline, progress=progress, **given)
    recorded = {name: settings[name] for name in _RECORDED if settings.get(name)}
    return LM(trained.model, pipeline, info={"trained_on": corpus.sources, "settings": recorded | trained.to_json()})


def mix(
    lms: Sequence[LM],
    tune: Text | Corpus,
    *,
    static: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> LM:
    """The weighted sum of models under which a text that none was trained on is likeliest; see ``nextword.Mixture``.

    static: one n-gram model in place of a mixture of n-gram models. What the tuning text told of each is in
    ``info["settings"]``. Raises UsageError for models that read text differently, VocabularyError for other words.
    """
    for i, lm in enumerate(lms, start=1):
        if (lm.pipeline.config(), lm.pipeline.payloads()) != (lms[0].pipeline.config(), lms[0].pipeline.payloads()):
            raise UsageError(
                f"model {i} normalises or cuts text otherwise than model 1, and a mixture reads a text in one way; "
                "train both with the same tokenizer and normaliser"
            )
    corpus, reader = corpus_of(tune), lms[0].pipeline if lms else None
    models, threads = [lm.model for lm in lms], threads or default_threads()
    mixed = mix_models(models, corpus, pipeline=reader, static=static, threads=threads, progress=progress)
    members = [
        {"kind": model.kind, "weight": weight, "tuning_perplexity": perplexity if isfinite(perplexity) else None}
        for model, weight, perplexity in zip(models, mixed.weights.tolist(), mixed.perplexities, strict=True)
    ]
    settings = {"members": members, "tuned_on": corpus.sources, "tuning_tokens": mixed.tokens}
    settings["tuning_perplexity"] = mixed.perplexity if isfinite(mixed.perplexity) else None
    sources: list[Json] = []
    for lm in lms:
        sources += [source for source in lm.info.get("trained_on", ()) if source not in sources]
    return LM(mixed.model, reader, info={"trained_on": sources, "settings": settings})


def prune(
    lm: LM,
    *,
    entropy: float | None = None,
    target_size: int | None = None,
    history: History | LM = "stationary",
    progress: Progress | None = None,
) -> LM:
    """An n-gram model without the n-grams whose loss changes it least (Stolcke 1998); see ``nextword.tasks.prune``.

    entropy: the perplexity that an n-gram's loss may cost, as a share, such as 1e-8; or target_size: the bytes that the
    saved model may take. history: where the probabilities of contexts come from, or a model that gives them. Raises
    UsageError for a model that is not of n-grams with probabilities, and for a size that is too small for its words.
    """
    given: Json = {"entropy": entropy, "target_size": target_size, "text": lm.pipeline, "progress": progress}
    known = {"trained_on": lm.info.get("trained_on", ()), "settings": lm.info.get("settings")}
    contexts = history.model if isinstance(history, LM) else history
    return LM(prune_model(lm.model, history=contexts, **given, **known), lm.pipeline, info=lm.info)


def quantize(
    lm: LM,
    *,
    layout: Layout | None = None,
    bits: int | None = None,
    backoff_bits: int | None = None,
    to: str | None = None,
    threads: int | None = None,
) -> LM:
    """The same model in fewer bytes, at a small cost in perplexity.

    layout, bits, backoff_bits, threads: of an n-gram model; see ``ngram.compact.quantize``. to: of a neural model,
    ``int8`` (unless given) or ``bfloat16``; see ``nextword.neural.quantize``. Raises UsageError for options of the
    other kind, and for a model that is neither or was quantised before.
    """
    ngram = {"layout": layout, "bits": bits, "backoff_bits": backoff_bits}
    if hasattr(lm.model, "stored_as"):
        _refuse(ngram, "n-gram", lm.model.kind)
        from nextword.neural.quantize import quantize as quantize_network

        return LM(quantize_network(lm.model, to or "int8"), lm.pipeline, info=lm.info)  # type: ignore[arg-type]
    if isinstance(lm.model, BackoffModel):
        _refuse({"to": to}, "neural", lm.model.kind)
    small = quantize_ngrams(
        lm.model, layout=layout or "trie", bits=bits, backoff_bits=backoff_bits, threads=threads or default_threads()
    )
    return LM(small, lm.pipeline, info=lm.info)


def _refuse(options: Json, owner: str, kind: str) -> None:
    """Raise UsageError for options that are given and are of another kind of model."""
    given = ", ".join(name for name, value in options.items() if value is not None)
    if given:
        raise UsageError(f"{given}: for {owner} models, and this is a model of kind {kind}; leave it out")
