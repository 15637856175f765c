"""``nextword tag``: train a tagger, tag a file, say how good the tags are."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from nextword.interfaces.cli.options import AsJson, ModelDir, OutDir, Quiet
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.tables import number, table
from nextword.interfaces.cli.task_training import TaskTraining, trained

if TYPE_CHECKING:
    from nextword.tasks.tag.files import TagFile
    from nextword.tasks.tag.score import Found, TagScores
    from nextword.tasks.tag.tagger import Tagger

tag = typer.Typer(no_args_is_help=True, help="Train a tagger (parts of speech, entities), tag files, score the tags.")

TagsFile: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE", help="Sentences: .conllu, or one token a line.", show_default=False)
]
Format: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="conllu, columns, text (to predict), or auto, by the file's name.")
]
Column: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|N", help="The tags: upos, xpos or feats of CoNLL-U, else a column's number.", show_default=False
    ),
]
TokenColumn: TypeAlias = Annotated[int, typer.Option(metavar="N", help="The tokens, in a file of columns.")]


@tag.command()
@trained("tagger")
def train(
    file: TagsFile,
    out: OutDir,
    *,
    training: TaskTraining,
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="Held-out sentences: what does best on them is kept.")
    ] = None,
    format: Format = "auto",
    column: Column = None,
    token_column: TokenColumn = 1,
    scheme: Annotated[
        str, typer.Option(help="Entities as iob2 or iobes, none for other tags, or auto, by the tags.")
    ] = "auto",
    tune_outside: Annotated[
        bool, typer.Option("--tune-outside", help="Let O score less, as is best for the F1 of --valid.")
    ] = False,
    network: Annotated[str, typer.Option(help="window, rnn or bilstm.")] = "bilstm",
    output: Annotated[str, typer.Option(help="softmax or crf.")] = "softmax",
    vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Word vectors: GloVe's or word2vec's text format.")
    ] = None,
    vectors_as: Annotated[
        str, typer.Option(help="static: beside learned embeddings; tuned: where these start from.")
    ] = "static",
    most_vectors: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The model keeps the file's first N vectors.")
    ] = None,
    characters: Annotated[str, typer.Option(help="Words are read by their characters: cnn, lstm or none.")] = "cnn",
    window: Annotated[int, typer.Option(min=1, help="Words on each side, of the window network.")] = 2,
    embedding_size: Annotated[int, typer.Option(min=0, help="Numbers in a word's learned embedding.")] = 100,
    character_features: Annotated[int, typer.Option(min=2, help="What its characters add to a word.")] = 64,
    hidden_size: Annotated[int, typer.Option(min=1, help="Hidden units, of each direction.")] = 128,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the rnn and the bilstm.")] = 1,
    dropout: Annotated[float, typer.Option(min=0.0, help="Share of units dropped.")] = 0.33,
    word_dropout: Annotated[float, typer.Option(min=0.0, help="Share of words read as unknown ones.")] = 0.1,
    min_count: Annotated[int, typer.Option(min=1, help="Rarer words have no embedding of their own.")] = 1,
) -> None:
    """Train a tagger: a window network, a recurrent or a bidirectional LSTM one, with a softmax or a CRF.

    Checkpoints and metrics are kept in DIR.training beside DIR.

    Example: nextword tag train train.conllu --valid dev.conllu --out tagger
    """
    from dataclasses import asdict

    _require()
    from nextword.tasks.tag.tagger import Tagger

    where = {"format": format, "column": column, "token": token_column}
    known = _read(file, where)
    held_out = None if valid is None else _read(valid, where)
    tagger = Tagger(
        network=network,
        output=output,
        window=window,
        embedding_size=embedding_size,
        vectors=None if vectors is None else str(vectors),
        vectors_as=vectors_as,
        most_vectors=most_vectors,
        characters=characters,
        character_features=character_features,
        hidden_size=hidden_size,
        layers=layers,
        dropout=dropout,
        word_dropout=word_dropout,
        min_count=min_count,
        scheme=scheme,
        tune_outside=tune_outside,
        training=asdict(training.settings),
    )
    entities = scheme not in ("auto", "none")
    beside = None if held_out is None else (held_out.tokens, held_out.entity_tags() if entities else held_out.tags())
    with training.run(out, "tagger", [file]) as run:
        tagger.fit(known.tokens, known.entity_tags() if entities else known.tags(), valid=beside, run=run.options)
    tagger.info = {"settings": {"format": known.format, "column": known.column}, "trained_on": known.sources}
    tagger.save(out)
    run.saved(out)
    if valid is not None and beside is not None:
        _tell_of_unseen(valid, tagger.unseen_tags(beside[1]), training.quiet)
    note(_summary(out, tagger, held_out), quiet=training.quiet)


@tag.command()
def predict(
    model: ModelDir,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Sentences: .conllu, one token a line, or .txt and -, one sentence a line.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there, not to standard output.")] = None,
    format: Format = "auto",
    column: Column = None,
    token_column: TokenColumn = 1,
    scheme: Annotated[str | None, typer.Option(help="Write entities as iob2 or iobes.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """Tag a file; comments, other columns and blank lines stay as they are.

    CoNLL-U has the tags in the column that the tagger was trained on, a file of columns in one more, unless --column
    names one. Plain text becomes a file of columns.

    Example: nextword tag predict tagger test.conllu --out tagged.conllu
    """
    _require()
    from nextword.tasks.tag.spans import convert
    from nextword.tasks.tag.tagger import Tagger

    tagger = Tagger.load(model)
    given = _open(tagger, file, {"format": format, "column": column, "token": token_column}, plain=True)
    tags = tagger.predict(given.tokens)
    if scheme is not None:
        tags = [convert(row, scheme) for row in tags]
    lines = given.lines(tags)
    if out is None:
        for line in lines:
            typer.echo(line, nl=False)
        return
    with out.open("w", encoding="utf-8", newline="\n") as written:
        written.writelines(lines)
    note(f"wrote {out}: {len(tags):,} sentences, {sum(map(len, tags)):,} tokens", quiet=quiet)


@tag.command()
def evaluate(
    model: ModelDir,
    file: TagsFile,
    *,
    format: Format = "auto",
    column: Column = None,
    token_column: TokenColumn = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Accuracy by token and by tag; of entities precision, recall and F1 as conlleval has them.

    Unknown words are those that the training text lacks. A tag that it lacks is an error wherever it comes.

    Example: nextword tag evaluate tagger test.conllu
    """
    _require()
    from nextword.tasks.tag.tagger import Tagger

    tagger = Tagger.load(model)
    given = _open(tagger, file, {"format": format, "column": column, "token": token_column})
    gold = given.entity_tags() if tagger.tags_.entities else given.tags()
    scores = tagger.evaluate(given.tokens, gold)
    _tell_of_unseen(file, scores.unseen, quiet)
    if as_json:
        typer.echo(json.dumps({"model": str(model), "file": file, **scores.to_json()}, indent=1, ensure_ascii=False))
    else:
        _show(scores)


def _require() -> None:
    """Raise UsageError, which says what to install, without what a tagger needs."""
    from nextword.neural import require_torch
    from nextword.tasks.extras import require_tasks

    require_torch()
    require_tasks()


def _tell_of_unseen(file: str, unseen: dict[str, int], quiet: bool) -> None:
    if unseen:
        some = ", ".join(f"{name} ({count:,})" for name, count in list(unseen.items())[:5])
        what = "1 tag that the tagger does not know counts as an error"
        if len(unseen) > 1:
            what = f"{len(unseen):,} tags that the tagger does not know count as errors"
        note(f"{file}: {what}: {some}", quiet=quiet)


def _read(file: str, where: dict[str, Any]) -> "TagFile":
    from nextword.tasks.tag.files import read_tag_file

    return read_tag_file(file, **where)


def _open(tagger: "Tagger", file: str, where: dict[str, Any], *, plain: bool = False) -> "TagFile":
    """A file, its column that of the training where both are CoNLL-U and none is named."""
    from nextword.tasks.tag.files import CONLLU_COLUMNS, read_tag_file

    trained_on = (tagger.info.get("settings") or {}).get("column")
    found = read_tag_file(file, plain=plain, **where)
    if found.format == "conllu" and where["column"] is None and trained_on in CONLLU_COLUMNS:
        found.column = trained_on
    return found


def _show(scores: "TagScores") -> None:
    rows = [["tokens", f"{scores.tokens:,}", f"{scores.accuracy:.2%}"]]
    if scores.unknown is not None:
        share = "-" if scores.unknown_accuracy is None else f"{scores.unknown_accuracy:.2%}"
        rows.append(["unknown words", f"{scores.unknown:,}", share])
    typer.echo(table(["", "", "right"], rows))
    if scores.entities is not None and scores.surface is not None:
        found = {"all entities": scores.entities, **scores.types, "distinct ones": scores.surface}
        typer.echo("\n" + _table("entities", found))
    typer.echo("\n" + _table("tag", scores.tags))


def _table(title: str, found: "dict[str, Found]") -> str:
    header = [title, "there", "predicted", "right", "precision", "recall", "F1"]
    rows = [
        [name, *(f"{count:,}" for count in (one.gold, one.predicted, one.correct)),
         *(number(100 * share) for share in (one.precision, one.recall, one.f1))]
        for name, one in found.items()
    ]  # fmt: skip
    return table(header, rows)


def _summary(out: Path, tagger: "Tagger", held_out: "TagFile | None") -> str:
    report, tags = tagger.report_, tagger.tags_
    assert report is not None  # it was just trained; this tells mypy
    known = ""
    if held_out is not None and report.valid_loss is not None:
        what = "entities' F1" if tags.entities else "accuracy"
        known = f"; {what} of the validation text: {1 - report.valid_loss:.2%}, at step {report.best_step:,}"
    size, name = f"{report.parameters:,} parameters", f"{tagger.network} with {tagger.output}"
    return f"{out}: {name}, {len(tags.names)} tags, {size}, {report.steps:,} steps in {report.seconds:.1f} s{known}"
