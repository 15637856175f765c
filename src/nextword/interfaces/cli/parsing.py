"""``nextword parse``: train a dependency parser, parse a file, show trees and how they are built, score them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nextword.interfaces.cli.options import AsJson, ModelDir, OutDir, Quiet
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.tables import number, table
from nextword.interfaces.cli.task_training import TaskTraining, trained

if TYPE_CHECKING:
    from nextword.tasks.parse.parser import Derivation, Parser
    from nextword.tasks.parse.score import Scores
    from nextword.tasks.parse.trace import Step
    from nextword.text.conllu import Sentence

parse = typer.Typer(no_args_is_help=True, help="Train a dependency parser, parse files, show trees, score them.")

Trees: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE", help="Sentences with trees, CoNLL-U.", show_default=False)
]
Taggers: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="Tag first, with this tagger; more than one for several columns."),
]
Picture: TypeAlias = Annotated[str, typer.Option(help="ascii, svg (one sentence) or html (a page).")]
Out: TypeAlias = Annotated[Path | None, typer.Option(metavar="FILE", help="Write there, not to standard output.")]
_COLUMNS = ("upos", "xpos", "feats")


@parse.command()
@trained("parser")
def train(
    file: Trees,
    out: OutDir,
    *,
    training: TaskTraining,
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="Held-out sentences: what parses them best is kept.")
    ] = None,
    tags: Annotated[
        str, typer.Option(metavar="NAMES", help="What is read beside words: some of upos,xpos,feats, or none.")
    ] = "upos,xpos,feats",
    nonprojective: Annotated[str, typer.Option(help="Trees with crossing arcs: lift or skip.")] = "lift",
    min_count: Annotated[int, typer.Option(min=1, help="Rarer words are read as unknown ones.")] = 2,
    layers: Annotated[
        int, typer.Option(min=0, help="Bidirectional LSTMs over the words; 0: the network of Chen & Manning (2014).")
    ] = 1,
    lstm_size: Annotated[int, typer.Option(min=1, help="Units of an LSTM, of each direction.")] = 200,
    hidden_size: Annotated[int, typer.Option(min=1, help="Units of the layer that sees stack and buffer.")] = 256,
    activation: Annotated[str, typer.Option(help="Of that layer: relu, cube or tanh.")] = "relu",
    embedding_size: Annotated[int, typer.Option(min=1, help="Numbers in a word's vector.")] = 100,
    tag_size: Annotated[int, typer.Option(min=1, help="Numbers in the vector of a tag, or of an ending.")] = 32,
    label_size: Annotated[int, typer.Option(min=1, help="Numbers in the vector of an arc's label.")] = 32,
    dropout: Annotated[float, typer.Option(min=0.0, help="Share of units dropped.")] = 0.33,
    word_dropout: Annotated[float, typer.Option(min=0.0, help="Share of words read as unknown ones.")] = 0.15,
    tag_dropout: Annotated[float, typer.Option(min=0.0, help="Share of tags read as unknown ones.")] = 0.0,
) -> None:
    """Train a parser: greedy arc-standard transitions, each chosen by a network.

    With --tags upos it suits sentences whose tags a tagger gives. Checkpoints and metrics are kept in DIR.training
    beside DIR.

    Example: nextword parse train train.conllu --valid dev.conllu --out parser
    """
    from nextword.tasks import Parser
    from nextword.text.conllu import read_conllu
    from nextword.text.corpus import Corpus

    corpus = Corpus(file)
    sentences = read_conllu(corpus)
    held_out = None if valid is None else read_conllu(valid)
    parser = Parser(
        tags=() if tags == "none" else tags.replace(",", " ").split(),
        nonprojective=nonprojective,
        min_count=min_count,
        layers=layers,
        lstm_size=lstm_size,
        hidden_size=hidden_size,
        activation=activation,
        embedding_size=embedding_size,
        tag_size=tag_size,
        label_size=label_size,
        dropout=dropout,
        word_dropout=word_dropout,
        tag_dropout=tag_dropout,
        training=asdict(training.settings),
    )
    with training.run(out, "parser", [file]) as run:
        parser.fit(sentences, valid=held_out, run=run.options)
    parser.info = {**parser.info, "trained_on": corpus.sources}
    parser.save(out)
    run.saved(out)
    note(_summary(out, parser, len(sentences)), quiet=training.quiet)


@parse.command()
def predict(
    model: ModelDir,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Sentences: CoNLL-U, or .txt and -: a sentence a line, its words parted by spaces.",
            show_default=False,
        ),
    ],
    *,
    tagger: Taggers = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show stack, buffer, transition and arc, step by step.")] = (
        False
    ),
    tree: Annotated[
        str | None, typer.Option(help="Draw the trees: ascii, svg (one sentence) or html (a page).", show_default=False)
    ] = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Parse a file: CoNLL-U with heads and relations, or the steps that lead there, or pictures of the trees.

    The parser reads the tags that it was trained with, from the file or from taggers.

    Example: nextword parse predict parser news.txt --tagger tagger --tree ascii
    """
    from nextword.errors import UsageError
    from nextword.tasks import Parser
    from nextword.text.conllu import write_conllu

    if trace and tree is not None:
        raise UsageError("--trace and --tree were both given; choose one")
    parser = Parser.load(model)
    found = parser.derive(_tagged(_sentences(file), tagger))
    trees = [derivation.sentence for derivation in found]
    shown = _derivations(found) if trace else write_conllu(trees) if tree is None else _pictures(trees, tree)
    _write(shown, out)
    if out is not None:
        note(f"wrote {out}: {len(trees):,} sentences, {sum(len(t.words) for t in trees):,} words", quiet=quiet)


@parse.command()
def evaluate(
    model: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A parser, or a CoNLL-U file of parsed sentences.", show_default=False),
    ],
    file: Trees,
    *,
    tagger: Taggers = None,
    as_json: AsJson = False,
) -> None:
    """Unlabelled and labelled attachment scores (UAS, LAS) as in the CoNLL 2018 shared task, against a file's trees.

    Punctuation counts; relations are compared up to the colon, and whole in the row below. CLAS is LAS over content
    words.

    Example: nextword parse evaluate parser test.conllu --tagger tagger
    """
    from nextword.errors import UsageError
    from nextword.tasks.parse.score import score
    from nextword.text.conllu import read_conllu

    gold = read_conllu(file)
    if model.is_dir():
        from nextword.tasks import Parser

        found = Parser.load(model).predict(_tagged(gold, tagger))
    elif tagger:
        raise UsageError(f"{model} is parsed already, so that --tagger has no effect; leave it out")
    else:
        found = read_conllu(model)
    scores = score(gold, found)
    if as_json:
        typer.echo(json.dumps({"model": str(model), "file": file, **scores.to_json()}, indent=1))
    else:
        _show(scores)


@parse.command()
def trace(file: Trees, *, out: Out = None) -> None:
    """How arc-standard transitions build the trees of a file: stack, buffer, transition and arc, step by step.

    Trees whose arcs cross cannot be built so: they are left out and counted.

    Example: nextword parse trace trees.conllu
    """
    from nextword.tasks.parse.projective import is_projective
    from nextword.tasks.parse.trace import steps
    from nextword.text.conllu import check_tree, read_conllu

    trees = read_conllu(file)
    for sentence in trees:
        check_tree(sentence)
    kept = [sentence for sentence in trees if is_projective([word.head or 0 for word in sentence.words])]
    _write(_tables(steps(sentence) for sentence in kept), out)
    if len(kept) < len(trees):
        note(f"left out, as their arcs cross: {len(trees) - len(kept):,} of {len(trees):,} trees")


@parse.command()
def tree(file: Trees, *, picture: Picture = "ascii", out: Out = None) -> None:
    """Draw the trees of a file.

    Example: nextword parse tree trees.conllu --picture svg --out tree.svg
    """
    from nextword.text.conllu import read_conllu

    _write(_pictures(read_conllu(file), picture), out)


def _sentences(file: str) -> "list[Sentence]":
    """Those of a CoNLL-U file, or of plain text, whose blank lines are left out."""
    from nextword.text.conllu import Sentence, read_conllu
    from nextword.text.corpus import Corpus

    plain = file == "-" or file.lower().removesuffix(".gz").removesuffix(".zst").endswith(".txt")
    if not plain:
        return read_conllu(file)
    lines = (
        (block.where(i), line.split())
        for block in Corpus(file)
        for i, line in enumerate(block.text.decode().split("\n")[:-1])
    )
    return [Sentence.of(words, where=where) for where, words in lines if words]


def _tagged(sentences: "list[Sentence]", taggers: list[Path] | None) -> "list[Sentence]":
    """The sentences with the tags of taggers, each in the column that it was trained on."""
    if not taggers:
        return sentences
    from nextword.errors import UsageError
    from nextword.tasks.tag.tagger import Tagger

    for folder in taggers:
        tagger = Tagger.load(folder)
        name = (tagger.info.get("settings") or {}).get("column")
        if name not in _COLUMNS:
            raise UsageError(f"{folder}: gives tags of {name}, expected upos, xpos or feats of CoNLL-U")
        tags = tagger.predict([sentence.forms for sentence in sentences])
        sentences = [
            sentence.replaced(
                upos=row if name == "upos" else None,
                xpos=row if name == "xpos" else None,
                feats=row if name == "feats" else None,
            )
            for sentence, row in zip(sentences, tags, strict=True)
        ]
    return sentences


def _derivations(found: "list[Derivation]") -> Iterator[str]:
    from nextword.tasks.parse.trace import steps

    return _tables(steps(derivation.sentence, derivation.transitions) for derivation in found)


def _tables(derivations: "Iterable[Iterator[Step]]") -> Iterator[str]:
    """A table for each derivation, with a blank line after it."""
    from nextword.tasks.parse.trace import HEADER

    for derivation in derivations:
        rows = [[str(cell) for cell in step] for step in derivation]
        yield table(HEADER, rows, left=len(HEADER)) + "\n\n"


def _pictures(sentences: "list[Sentence]", picture: str) -> Iterator[str]:
    """The trees, drawn. Raises UsageError for a way to draw that there is not."""
    from nextword.errors import UsageError
    from nextword.tasks.parse.draw import ascii_tree, page, svg_tree

    if picture not in ("ascii", "svg", "html"):
        raise UsageError(f"{picture!r} is no picture; choose ascii, svg or html")
    if picture == "html":
        return page(sentences)
    if picture == "svg":
        if len(sentences) != 1:
            raise UsageError(f"{len(sentences):,} sentences do not fit into one svg; choose html, or give one sentence")
        return iter([svg_tree(sentences[0])])
    return (ascii_tree(sentence) + "\n\n" for sentence in sentences)


def _write(lines: Iterable[str], out: Path | None) -> None:
    if out is None:
        for line in lines:
            typer.echo(line, nl=False)
        return
    with out.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def _show(scores: "Scores") -> None:
    rows = [
        ["UAS", "the right head", number(100 * scores.uas)],
        ["LAS", "and relation, up to the colon", number(100 * scores.las)],
        ["", "and relation, whole", number(100 * scores.exact)],
        ["CLAS", "LAS of content words, F1", number(100 * scores.clas)],
        ["", "sentences without a wrong head", number(100 * scores.trees / scores.sentences)],
    ]
    typer.echo(table(["", f"of {scores.words:,} words", "%"], rows, left=2))


def _summary(out: Path, parser: "Parser", sentences: int) -> str:
    report, crossing = parser.report_, parser.nonprojective_
    known = "" if report.valid_loss is None else f"; LAS of the validation text: {1 - report.valid_loss:.2%}"
    what = f"{crossing:,} with crossing arcs {'lifted' if parser.nonprojective == 'lift' else 'skipped'}"
    return (
        f"{out}: parser, {report.parameters:,} parameters, {sentences:,} sentences ({what}), {report.steps:,} steps in "
        f"{report.seconds:.1f} s{known}"
    )
