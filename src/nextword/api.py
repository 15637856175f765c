"""A language model in a user's hands: a model and the way it reads text, together."""

from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nextword import store
from nextword.errors import StoreError, UsageError
from nextword.manifest import is_pretrained
from nextword.model import LanguageModel
from nextword.neural import require_torch, require_transformers
from nextword.neural.training_settings import USUAL as NEURAL_KINDS
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
from nextword.tasks.beam import beam_search
from nextword.tasks.evaluate import Evaluation, evaluate
from nextword.tasks.generate import generate
from nextword.tasks.lines import line_log_probs
from nextword.tasks.mix import mix as mix_models
from nextword.tasks.next import NextTokens, Step, next_steps, next_tokens
from nextword.tasks.prune import prune as prune_model
from nextword.tasks.surprisal import surprisals
from nextword.tasks.words import word_surprisals
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Array, Ids_T, Json

Text = str | Path | Sequence[str | Path]
_ORDER = 5
_SMOOTHING: Name = "modified-kneser-ney"  # what n-gram models have unless told otherwise
_RECORDED = ("prune", "min_count", "vocab_size")  # settings that the model itself does not keep


class Surprisal(NamedTuple):
    """A token, or a word, and its surprisal in bits."""

    token: str
    bits: float


class LM:
    """A language model and its text pipeline: what ``nextword.load`` and ``nextword.train`` return.

    model: the ``LanguageModel``, for ids and arrays. pipeline: normaliser and tokenizer. info: how it was made.
    Text given to a method may have several lines, each a sentence, unless it is a context or a prompt. Methods raise
    TextError for text that cannot be read and UsageError for an option out of range.
    """

    def __init__(self, model: Any, pipeline: Pipeline | None = None, *, info: Json | None = None):
        self.model = model
        self.pipeline = pipeline or Pipeline()
        self.info = info or {}

    def __repr__(self) -> str:
        return f"LM({self.model!r})"

    def save(self, directory: str | Path) -> None:
        """Write the model directory; see ``nextword.store``. Raises StoreError."""
        known = {"trained_on": self.info.get("trained_on", ()), "settings": self.info.get("settings")}
        store.save(directory, self.model, text=self.pipeline, **known)

    def score(self, text: str) -> float:
        """Log-probability of a text, nats: the sum over its lines' tokens and their ends."""
        return -self._evaluate(text).nats

    def score_lines(self, lines: Iterable[str] | bytes | Path | Corpus, *, threads: int | None = None) -> Array:
        """Log-probability of each line, (lines,) nats, on all processors: the fast door for many sentences.

        lines: strings of one line each, or the raw bytes of a text, or a file's Path. Threads share an n-gram model
        and do not hold each other up. Raises UsageError for a str, and for a string of several lines.
        """
        if isinstance(lines, str):
            raise UsageError(
                "score_lines was given one str, which may be a text or a file's name; give its lines, for example by "
                "splitlines(), or a pathlib.Path"
            )
        strings: list[str] = []
        if isinstance(lines, bytes):
            corpus = Corpus.from_bytes(lines)
        elif isinstance(lines, Path | Corpus):
            corpus = _corpus(lines)
        else:
            corpus = Corpus.from_lines(strings := list(lines))
        found = line_log_probs(self.model, corpus, pipeline=self.pipeline, threads=threads or default_threads())
        if strings and len(found) != len(strings):
            number, line = next((i, line) for i, line in enumerate(strings, start=1) if "\n" in line[:-1])
            raise UsageError(f"string {number} holds several lines: {line!r:.80}; give score_lines one line in each")
        return found

    def perplexity(self, text: str) -> float:
        """Perplexity of a text, ``</s>`` at each line's end counted; UsageError if the model has no probabilities."""
        found = self._evaluate(text)
        if not found.normalised:
            raise UsageError(f"this model has no perplexity: {found.reason}")
        return found.perplexity

    def surprisal(self, text: str) -> list[Surprisal]:
        """Each token of a text, ``</s>`` included, with its surprisal in bits."""
        lines = surprisals(self.model, Corpus.from_text(text), pipeline=self.pipeline, distributions=False)
        pairs = (pair for line in lines for pair in zip(line.tokens, line.surprisal.tolist(), strict=True))
        return [Surprisal(token, bits) for token, bits in pairs]

    def word_surprisal(self, text: str, *, correction: bool = False) -> list[Surprisal]:
        """Each word of a text, ``</s>`` included, with its surprisal in bits; see ``nextword.tasks.words``."""
        lines = word_surprisals(self.model, Corpus.from_text(text), pipeline=self.pipeline, correction=correction)
        pairs = (pair for line in lines for pair in zip(line.words, line.surprisal.tolist(), strict=True))
        return [Surprisal(word, bits) for word, bits in pairs]

    def evaluate(self, text: Text | Corpus, *, threads: int | None = None) -> Evaluation:
        """Perplexity and more of files of one sentence a line; see ``Evaluation``."""
        corpus = _corpus(text)
        found = evaluate(self.model, corpus, pipeline=self.pipeline, threads=threads or default_threads())
        found.compare_sources(corpus.sources, self.info)
        return found

    def next(self, context: str = "", *, k: int = 10, prefix: str | None = None) -> NextTokens:
        """The k likeliest tokens after the words of ``context``, which begin a sentence; see ``NextTokens``."""
        return next_tokens(self._predictor(), self.ids(context), k=k, prefix=prefix)

    def steps(self, text: str, *, k: int = 10) -> list[Step]:
        """What was expected at each token of a sentence, and how the token that came ranked."""
        return next_steps(self._predictor(), [*self.ids(text), self.model.vocabulary.eos], k=k)

    def generate(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 50,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        beam: int | None = None,
        seed: int | None = None,
        samples: int = 1,
        stop: bool = True,
    ) -> list[str]:
        """Continue ``prompt``, ``samples`` times: each text begins with the prompt, normalised.

        temperature: 0 always takes the likeliest token. beam: search for the likeliest text instead of sampling. stop:
        end at ``</s>``; otherwise write on, a line a sentence.
        """
        lm, words = self._predictor(), self.pipeline.tokens(prompt)
        ids = lm.vocabulary.ids(words)
        length: dict[str, Any] = {"max_tokens": max_tokens, "samples": samples}
        sampling: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        sampling |= {"seed": seed, "stop": stop}
        if beam is None:
            found = generate(lm, ids, **length, **sampling)
        else:
            _check_searches(sampling)
            found = beam_search(lm, ids, beam=beam, **length)
        return [self._written([*words, *map(lm.vocabulary.word, one.ids)]) for one in found]

    def ids(self, text: str) -> Ids_T:
        """Ids of the tokens of a line, (T,), without ``</s>``."""
        ids: Ids_T = self.model.vocabulary.ids(self.pipeline.tokens(text))
        return ids

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids, each ``</s>`` but the last a new line."""
        return self._written([self.model.vocabulary.word(i) for i in ids])

    def _written(self, words: list[str]) -> str:
        """The text that tokens spell, each ``</s>`` but the last a new line."""
        vocabulary = self.model.vocabulary
        end = None if vocabulary.eos is None else vocabulary.word(vocabulary.eos)
        lines: list[list[str]] = [[]]
        for word in words[:-1] if words[-1:] == [end] else words:
            if word == end:
                lines.append([])
            else:
                lines[-1].append(word)
        return "\n".join(self.pipeline.detokenize(tokens) for tokens in lines)

    def _evaluate(self, text: str) -> Evaluation:
        return evaluate(self.model, Corpus.from_text(text), pipeline=self.pipeline)

    def _predictor(self) -> LanguageModel[Any]:
        """The model, if it can tell the next token's probability."""
        if not isinstance(self.model, LanguageModel):
            raise UsageError(
                f"a {self.model.kind} model gives scores, no probabilities of the next token, so it cannot predict or "
                "write; train one with another smoothing"
            )
        return self.model


def load(directory: str | Path) -> LM:
    """Open a model directory; its arrays are memory-mapped. Raises StoreError, which names what is wrong.

    A local Hugging Face directory (safetensors) or a GGUF file is opened too; see ``nextword.neural.pretrained``.
    """
    if is_pretrained(Path(directory)):
        require_transformers()
        from nextword.neural.pretrained import load_pretrained

        return LM(*load_pretrained(directory))
    stored = store.load(directory)
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
    if kind not in ("ngram", *NEURAL_KINDS):
        raise UsageError(f"unknown kind of model {kind!r}; choose one of ngram, {', '.join(NEURAL_KINDS)}")
    if kind != "ngram":
        settings |= {} if resume is None else {"resume": resume}
        if (prune_entropy, target_size) != (None, None):
            raise UsageError(f"prune_entropy and target_size are of n-gram models, this is a {kind}; leave them out")
        settings = _neural_settings(kind, order, smoothing, settings)
    corpus, normal = _corpus(text), normalizer or Normalizer()
    pipeline = Pipeline(normal, make_tokenizer(tokenizer, corpus=corpus, normalizer=normal, vocab_size=bpe_size))
    held_out = None if valid is None else _corpus(valid)
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
    held_out = None if valid is None else _corpus(valid)
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
    corpus, reader = _corpus(tune), lms[0].pipeline if lms else None
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


def _corpus(text: Text | Corpus) -> Corpus:
    return text if isinstance(text, Corpus) else Corpus(text)


def _check_searches(sampling: Json) -> None:
    """A beam search samples nothing, so an option of sampling beside it is a mistake."""
    usual = {"temperature": 1.0, "stop": True}
    given = ", ".join(name for name, value in sampling.items() if value != usual.get(name))
    if given:
        raise UsageError(f"a beam search does not sample, so {given} has no effect; leave out either it or the beam")
