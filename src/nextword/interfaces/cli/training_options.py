"""The options of ``nextword train`` for the neural kinds: one table, from which each kind's command is made."""

import inspect
from typing import Annotated, Any, NamedTuple

import typer

from nextword.interfaces.cli.options import Field, OutDir
from nextword.neural.training_settings import TrainingSettings, usual_settings

LIMITS = ("epochs", "steps", "minutes")


class Option(NamedTuple):
    """An option: its type, its usual value and its help; ``flag``: what it is called, if not by its name."""

    type: Any
    usual: Any
    help: str
    least: float | None = None
    flag: str | None = None
    metavar: str | None = None

    def parameter(self, name: str) -> inspect.Parameter:
        """It as typer reads it from a function's signature."""
        flags = [self.flag] if self.flag else []
        info = typer.Option(*flags, help=self.help, min=self.least, metavar=self.metavar)
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(name, kind, default=self.usual, annotation=Annotated[self.type, info])


_SHARE = "Share dropped, 0 to 1, "
_EMBEDDING = {"embedding_size": Option(int, 200, "Numbers in a word's vector.", 1)}
_ADAPTIVE = {
    "adaptive": Option(
        str, "", "Adaptive softmax for large vocabularies: ids where rarer words begin.", metavar="'2000 10000'"
    )
}
_RECURRENT = {
    **_EMBEDDING,
    "hidden_size": Option(int, 200, "Units in a layer.", 1),
    "layers": Option(int, 2, "Layers.", 1),
    "tied": Option(bool, False, "Predict with the embeddings, which saves many parameters.", flag="--tied"),
    "dropout": Option(float, 0.2, _SHARE + "of the last layer's output, and of the others unless given.", 0),
    "dropout_input": Option(float | None, None, _SHARE + "of the embeddings' numbers.", 0),
    "dropout_between": Option(float | None, None, _SHARE + "between layers.", 0),
    "dropout_embedding": Option(float, 0.0, _SHARE + "of whole words.", 0),
    "learned_start": Option(bool, False, "Learn the state before the first token.", flag="--learned-start"),
    **_ADAPTIVE,
}
_ACTIVATION = "tanh, sigmoid, relu or gelu."
NETWORKS: dict[str, dict[str, Option]] = {  # kind → options that are settings of its network, by their names
    "window": {
        "order": Option(int, 5, "Words in the window, the predicted one included.", 2),
        "embedding_size": Option(int, 64, "Numbers in a word's vector.", 1),
        "hidden_size": Option(int, 128, "Units in the hidden layer.", 1),
        "activation": Option(str, "tanh", _ACTIVATION),
        "direct": Option(bool, False, "Connect the embeddings straight to the output too.", flag="--direct"),
        "dropout": Option(float, 0.0, _SHARE + "of the window's vectors and of the hidden layer.", 0),
        **_ADAPTIVE,
    },
    "rnn": {**_RECURRENT, "activation": Option(str, "tanh", _ACTIVATION)},
    "gru": _RECURRENT,
    "lstm": {**_RECURRENT, "weight_drop": Option(float, 0.0, _SHARE + "of recurrent weights.", 0)},
    "transformer": {
        "layers": Option(int, 4, "Blocks of attention and feed-forward.", 1),
        "heads": Option(int, 4, "Heads of attention.", 1),
        "embedding_size": Option(int, 128, "Width throughout.", 1),
        "context": Option(int, 256, "Tokens that a prediction can depend on.", 2),
        "positions": Option(str, "rotary", "rotary or learned."),
        "dropout": Option(float, 0.1, _SHARE + "of embeddings and of what each layer adds.", 0),
        "tied": Option(bool, True, "Predict with the embeddings.", flag="--tied/--no-tied"),
        **_ADAPTIVE,
    },
}
TEXT = {
    "tokenizer": Option(str, "whitespace", "whitespace, word, char, byte, bpe (learnt), tokenizer.json or .model."),
    "bpe_size": Option(int, 8000, "Pieces that --tokenizer bpe learns.", 300),
    "normalize": Option(str | None, None, "Normalisation: nfc, nfd, nfkc, nfkd or ccnet.", metavar="FORM"),
    "lowercase": Option(bool, False, "Lowercase all text.", flag="--lowercase"),
    "min_count": Option(int, 1, "Words rarer than this become <unk>.", 1),
    "vocab_size": Option(int | None, None, "Keep so many words, <unk>, <s> and </s> included; others become <unk>.", 3),
    "embeddings": Option(str | None, None, "Begin with these vectors, in the word2vec text format.", metavar="FILE"),
}
_TRAINING = {  # settings of the training; the usual values are those of the kind
    "mode": (str, "stream (running text, the state carried on), sentence or blocks.", None),
    "batch_size": (int, "Rows of a batch.", 1),
    "bptt": (int, "Tokens through which gradients flow back.", 1),
    "epochs": (int | None, "Passes over the text.", 1),
    "steps": (int | None, "Updates of the weights.", 1),
    "minutes": (float | None, "Time for training.", None),
    "patience": (int | None, "Stop after so many measurements of --valid without a better one.", 1),
    "optimizer": (str, "adamw, adam, sgd or muon (which takes fewer steps, each slower).", None),
    "lr": (float, "Highest learning rate.", None),
    "matrix_lr": (float, "Highest rate of the matrices that --optimizer muon updates.", None),
    "momentum": (float, "Momentum of sgd.", 0),
    "weight_decay": (float, "Decay of the weights, but for biases and embeddings.", 0),
    "schedule": (str, "Of the learning rate: one-cycle, cosine, linear, plateau or constant.", None),
    "warmup": (float | None, "Share of the run in which the rate rises; the schedule's own unless given.", 0),
    "accumulate": (int, "Compute a batch in so many parts: less memory, the same model.", 1),
    "ema": (float, "Keep a moving average of the weights with this decay, such as 0.999.", 0),
    "seed": (int, "Of everything that is random.", 0),
    "precision": (str, "auto, float32 or bfloat16.", None),
    "device": (str, "auto, cpu, cuda or mps.", None),
    "eval_every": (int | None, "Steps between measurements of --valid; after each epoch unless given.", 1),
    "log_every": (int, "Steps between lines of metrics.jsonl.", 1),
    "checkpoint_every": (float, "Seconds between checkpoints.", 0),
}


def kind_options(kind: str) -> dict[str, Option]:
    """What a kind can be told, by the names that ``nextword.train`` has too."""
    usual, plain = usual_settings(kind), TrainingSettings()
    shared = {name: option for name, option in learning(kind).items() if kind != "window" or name != "mode"}
    shared["clip"] = Option(float, usual.clip or 0.0, "Largest norm of all gradients together; 0 for none.", 0)
    if kind == "transformer":
        shared["bptt"] = Option(int | None, None, "Tokens in a row of a batch; the context unless given.", 1)
    if kind != "window":
        shared["shift"] = Option(
            bool, plain.shift, "Begin each epoch of a stream elsewhere.", flag="--shift/--no-shift"
        )
        shared["vary_bptt"] = Option(bool, False, "Vary --bptt from batch to batch.", flag="--vary-bptt")
    return {**NETWORKS[kind], **shared, **TEXT}


def learning(kind: str) -> dict[str, Option]:
    """Settings of the training as options, with the usual values of a kind of network."""
    usual = usual_settings(kind)
    options = {
        name: Option(type_, None if name in LIMITS else getattr(usual, name), text, least)
        for name, (type_, text, least) in _TRAINING.items()
    }
    name, value = next((name, getattr(usual, name)) for name in LIMITS if getattr(usual, name))
    length = f"{value:g}" if name == "epochs" else f"{value:g} {name}"
    help_ = f"Passes over the text; {length} unless --steps or --minutes is given."
    return options | {"epochs": options["epochs"]._replace(help=help_)}


def keeping() -> dict[str, Option]:
    """What changes nothing in the model that a run makes, as options."""
    return {
        "resume": Option(bool, False, "Go on from the checkpoint in DIR.training.", flag="--resume"),
        "tensorboard": Option(bool, False, "Write DIR.training/tensorboard too.", flag="--tensorboard"),
        "plot": Option(bool, False, "Draw DIR.training/loss.png.", flag="--plot"),
        "threads": Option(int | None, None, "Threads to use; all cores unless given.", 1),
        "quiet": Option(bool, False, "No progress and no notes on stderr.", flag="--quiet"),
    }


def places() -> list[inspect.Parameter]:
    """What is read and written."""
    help_ = "Files, one sentence a line: .txt, .gz, .zst, .jsonl; - is stdin."
    text = Annotated[list[str], typer.Argument(metavar="TEXT...", help=help_, show_default=False)]
    valid = Option(str | None, None, "Held-out text: what does best on it is kept.", metavar="FILE")
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("text", keyword, annotation=text),
        inspect.Parameter("out", keyword, annotation=OutDir),
        valid.parameter("valid"),
    ]


def others() -> list[inspect.Parameter]:
    """What changes nothing in the model."""
    finder = Option(bool, False, "Try learning rates and suggest one; train nothing.", flag="--find-lr")
    field = inspect.Parameter("field", inspect.Parameter.KEYWORD_ONLY, default="text", annotation=Field)
    kept = keeping() | {"find_lr": finder}
    return [*(option.parameter(name) for name, option in kept.items()), field]
