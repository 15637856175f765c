"""``nextword classify train``: a command for each method."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from nextword.interfaces.cli.labelled import Encoding, Files, LabelColumn, Source, TextColumn
from nextword.interfaces.cli.options import OutDir, Quiet
from nextword.interfaces.cli.progress import note, stages
from nextword.interfaces.cli.task_training import TaskTraining, trained

if TYPE_CHECKING:
    from nextword.tasks.classify.base import TextClassifier
    from nextword.tasks.classify.table import Table

train = typer.Typer(
    no_args_is_help=True, help="Train a classifier; the methods are commands with options of their own."
)

Valid: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="Held-out examples, labelled too.", show_default=False)
]
Threads: TypeAlias = Annotated[int, typer.Option(min=1, help="Threads to use.")]
Lowercase: TypeAlias = Annotated[bool, typer.Option("--lowercase/--no-lowercase", help="Lowercase all text.")]
Tokenizer: TypeAlias = Annotated[str, typer.Option(help="whitespace, word, char or byte.")]
Vectors: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Word vectors: GloVe's or word2vec's text format.")
]
Channels: TypeAlias = Annotated[
    str | None, typer.Option(help="random, static, fine-tuned or multichannel (the usual with --vectors).")
]
Dropout: TypeAlias = Annotated[float, typer.Option(min=0.0, help="Share dropped of what the last layer reads.")]
DropoutInput: TypeAlias = Annotated[float, typer.Option(min=0.0, help="Share dropped of the words' vectors.")]
WordDropout: TypeAlias = Annotated[float, typer.Option(min=0.0, help="Share of words read as unknown ones.")]
EmbeddingSize: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Numbers in a word's vector, where no file has them.", show_default=False)
]


@train.command()
def ngram(
    files: Files,
    out: OutDir,
    *,
    order: Annotated[int, typer.Option(min=1, help="Tokens per n-gram.")] = 5,
    smoothing: Annotated[str, typer.Option(help="The estimator; see nextword train ngram.")] = "modified-kneser-ney",
    tokenizer: Tokenizer = "char",
    lowercase: Lowercase = False,
    prior: Annotated[str, typer.Option(help="empirical, as in the training texts, or uniform.")] = "empirical",
    valid: Valid = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "utf-8",
    threads: Threads = 1,
    quiet: Quiet = False,
) -> None:
    """Train a language model for each class, and predict by Bayes' rule: languages, authors, subjects.

    Example: nextword classify train ngram hausa=hausa.txt swahili=swahili.txt --prior uniform --out languages
    """
    options = {"order": order, "smoothing": smoothing, "tokenizer": tokenizer, "lowercase": lowercase}
    source = Source(text_column, label_column, encoding)
    _train("ngram", options | {"prior": prior, "threads": threads}, files, valid, source, out, quiet)


@train.command()
def bow(
    files: Files,
    out: OutDir,
    *,
    features: Annotated[str, typer.Option(help="counts, tfidf, or lda (topics).")] = "tfidf",
    model: Annotated[str, typer.Option(help="logistic, naive-bayes, svm, tree or forest.")] = "logistic",
    ngrams: Annotated[int, typer.Option(min=1, help="Runs of up to so many words are terms.")] = 1,
    presence: Annotated[bool, typer.Option("--presence", help="Count a term once a text.")] = False,
    tokenizer: Tokenizer = "word",
    lowercase: Lowercase = True,
    min_count: Annotated[int, typer.Option(min=1, help="Texts that a term must occur in.")] = 1,
    max_terms: Annotated[int | None, typer.Option(min=1, help="Keep the commonest terms.", show_default=False)] = None,
    topics: Annotated[int, typer.Option(min=1, help="Topics of lda.")] = 50,
    c: Annotated[
        float | None,
        typer.Option("--c", help="Inverse of the penalty: 4 for logistic, 0.5 for svm.", show_default=False),
    ] = None,
    alpha: Annotated[float, typer.Option(help="What naive-bayes adds to each count.")] = 1.0,
    trees: Annotated[int, typer.Option(min=1, help="Trees of a forest.")] = 200,
    max_depth: Annotated[int | None, typer.Option(min=1, help="Of a tree.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of topics and trees.")] = 0,
    valid: Valid = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "utf-8",
    threads: Threads = 1,
    quiet: Quiet = False,
) -> None:
    """Train a bag of words and a classical classifier: the baselines.

    Example: nextword classify train bow train.tsv --features counts --presence --ngrams 2 --model naive-bayes --out nb
    """
    options = {"features": features, "model": model, "ngrams": ngrams, "presence": presence, "tokenizer": tokenizer}
    options |= {"lowercase": lowercase, "min_count": min_count, "max_terms": max_terms, "topics": topics, "C": c}
    options |= {"alpha": alpha, "trees": trees, "max_depth": max_depth, "seed": seed, "threads": threads}
    _train("bow", options, files, valid, Source(text_column, label_column, encoding), out, quiet)


@train.command()
def encoder(
    files: Files,
    out: OutDir,
    *,
    encoder: Annotated[
        Path, typer.Option(metavar="DIR", help="A local encoder: config.json, safetensors, tokenizer.json.")
    ],
    pooling: Annotated[str, typer.Option(help="mean, or cls, the state of the first piece.")] = "mean",
    c: Annotated[float, typer.Option("--c", help="Inverse of the penalty.")] = 1.0,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts encoded together.")] = 64,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    valid: Valid = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "utf-8",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to use.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """Train logistic regression on the vectors of a frozen pretrained encoder, which the model then contains.

    Example: nextword classify train encoder train.tsv --encoder all-MiniLM-L6-v2 --out sentiment
    """
    options = {"encoder": str(encoder), "pooling": pooling, "C": c, "batch_size": batch_size}
    options |= {"device": device, "threads": threads}
    _train("encoder", options, files, valid, Source(text_column, label_column, encoding), out, quiet)


@train.command()
@trained("cnn")
def cnn(
    files: Files,
    out: OutDir,
    *,
    training: TaskTraining,
    vectors: Vectors = None,
    channels: Channels = None,
    embedding_size: EmbeddingSize = None,
    widths: Annotated[str, typer.Option(metavar="3,4,5", help="Words in a row that a filter sees.")] = "3,4,5",
    maps: Annotated[int, typer.Option(min=1, help="Filters of each width.")] = 100,
    dropout: Dropout = 0.5,
    dropout_input: DropoutInput = 0.2,
    word_dropout: WordDropout = 0.1,
    tokenizer: Tokenizer = "word",
    lowercase: Lowercase = True,
    min_count: Annotated[int, typer.Option(min=1, help="Rarer words are unknown ones.")] = 1,
    valid: Valid = None,
    valid_share: Annotated[float, typer.Option(min=0.0, help="Share held out where there is no --valid.")] = 0.1,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Train a convolutional network over word vectors (Kim 2014).

    Checkpoints and metrics are kept in DIR.training beside DIR.

    Example: nextword classify train cnn train.tsv --valid dev.tsv --vectors glove.txt --out sentiment
    """
    options: dict[str, Any] = {"widths": _numbers(widths), "maps": maps, "tokenizer": tokenizer, "lowercase": lowercase}
    options |= {"vectors": _path(vectors), "channels": channels, "embedding_size": embedding_size}
    options |= {"dropout": dropout, "dropout_input": dropout_input, "word_dropout": word_dropout}
    options |= {"min_count": min_count, "valid_share": valid_share}
    _train_network("cnn", options, files, valid, Source(text_column, label_column, encoding), out, training)


@train.command()
@trained("rnn-classifier")
def rnn(
    files: Files,
    out: OutDir,
    *,
    training: TaskTraining,
    start: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A language model of ours, lstm or gru, to start from.")
    ] = None,
    vectors: Vectors = None,
    channels: Channels = None,
    embedding_size: EmbeddingSize = None,
    cell: Annotated[str, typer.Option(help="lstm or gru.")] = "lstm",
    hidden_size: Annotated[int, typer.Option(min=1, help="Units in a layer, of each direction.")] = 100,
    layers: Annotated[int, typer.Option(min=1, help="Layers.")] = 1,
    bidirectional: Annotated[bool, typer.Option("--bidirectional/--forward", help="Read both ways, or one.")] = True,
    pooling: Annotated[str, typer.Option(help="last, mean, max, or concat of the three.")] = "concat",
    dropout: Dropout = 0.5,
    dropout_input: DropoutInput = 0.3,
    word_dropout: WordDropout = 0.1,
    tokenizer: Tokenizer = "word",
    lowercase: Lowercase = True,
    min_count: Annotated[int, typer.Option(min=1, help="Rarer words are unknown ones.")] = 1,
    valid: Valid = None,
    valid_share: Annotated[float, typer.Option(min=0.0, help="Share held out where there is no --valid.")] = 0.1,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Train an LSTM or a GRU that reads the text, from nothing or from a language model of ours.

    Checkpoints and metrics are kept in DIR.training beside DIR.

    Example: nextword classify train rnn train.tsv --valid dev.tsv --start wiki-lstm --out sentiment
    """
    options: dict[str, Any] = {"cell": cell, "hidden_size": hidden_size, "layers": layers, "pooling": pooling}
    options |= {"bidirectional": bidirectional, "start": _path(start), "tokenizer": tokenizer, "lowercase": lowercase}
    options |= {"vectors": _path(vectors), "channels": channels, "embedding_size": embedding_size}
    options |= {"dropout": dropout, "dropout_input": dropout_input, "word_dropout": word_dropout}
    options |= {"min_count": min_count, "valid_share": valid_share}
    _train_network("rnn", options, files, valid, Source(text_column, label_column, encoding), out, training)


def _train(
    method: str, options: dict[str, Any], files: list[str], valid: str | None, source: Source, out: Path, quiet: bool
) -> None:
    from nextword.store import check_target
    from nextword.tasks.extras import require_tasks

    require_tasks()
    from nextword.tasks.classify.methods import new_classifier

    check_target(out)
    classifier = new_classifier(method, **options)
    with stages("reading", quiet=quiet):
        known, held_out = source.both(files, valid)
    with stages(f"training {method} on {len(known.texts):,} texts", quiet=quiet):
        classifier.fit(known.texts, known.labels)
    _save(classifier, known, out)
    note(_summary(classifier, known, held_out, out), quiet=quiet)


def _train_network(
    method: str, options: dict[str, Any], files: list[str], valid: str | None, source: Source, out: Path,
    training: TaskTraining,
) -> None:  # fmt: skip
    from dataclasses import asdict

    from nextword.neural import require_torch
    from nextword.tasks.extras import require_tasks

    require_tasks()
    require_torch()
    from nextword.tasks.classify.methods import new_classifier

    classifier = new_classifier(method, **options, training=asdict(training.settings))
    known, held_out = source.both(files, valid)
    beside = None if held_out is None else (held_out.texts, held_out.labels)
    with training.run(out, method, files) as run:
        classifier.fit(known.texts, known.labels, valid=beside, run=run.options)
    _save(classifier, known, out)
    run.saved(out)
    note(_summary(classifier, known, held_out, out), quiet=training.quiet)


def _save(classifier: "TextClassifier", known: "Table", out: Path) -> None:
    classifier.info = {"trained_on": known.sources, "settings": {"examples": len(known.texts)}}
    classifier.save(out)


def _summary(classifier: "TextClassifier", known: "Table", held_out: "Table | None", out: Path) -> str:
    said = f"{out}: {len(known.texts):,} examples of {len(classifier.classes_):,} classes"
    said += f", {classifier.empty_:,} of them empty" if classifier.empty_ else ""
    if held_out is None:
        return said
    return f"{said}; accuracy of the held-out ones {classifier.score(held_out.texts, held_out.labels):.2%}"


def _numbers(text: str) -> tuple[int, ...]:
    from nextword.errors import UsageError

    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"--widths {text!r}: give whole numbers, such as 3,4,5") from None


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
