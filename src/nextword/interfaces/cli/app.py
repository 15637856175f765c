"""The commands, gathered."""

from typing import Annotated

import typer

from nextword import __version__
from nextword.interfaces.cli import (
    choosing,
    classifying,
    comparing,
    converting,
    counting,
    explaining,
    filtering,
    generating,
    measuring,
    mixing,
    overlapping,
    parsing,
    pruning,
    quantizing,
    rescoring,
    scoring,
    serving,
    spelling,
    tagging,
    training,
    training_embeddings,
    training_neural,
    translating,
)

app = typer.Typer(
    name="nextword",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    help="""Train, measure and use language models.

    Begin with: nextword compare   (no file needed), or: nextword train ngram text.txt --out model""",
)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"nextword {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train, measure and use language models."""


for kind, command in training_neural.commands().items():
    training.train.command(kind)(command)
training.train.command("cbow")(training_embeddings.cbow)
app.add_typer(training.train, name="train")
app.command("compare")(comparing.compare)
app.command("evaluate")(measuring.evaluate)
app.command("score")(scoring.score)
app.command("next")(generating.next_)
app.command("generate")(generating.generate)
app.command("explain")(explaining.explain)
app.command("info")(measuring.info)
app.command("discounts")(measuring.discounts)
app.command("count")(counting.count)
app.command("mix")(mixing.mix)
app.command("neighbours")(training_embeddings.neighbours)
app.command("overlap")(overlapping.overlap)
app.command("prune")(pruning.prune)
app.command("convert")(converting.convert)
app.command("quantize")(quantizing.quantize)
app.command("filter")(filtering.filter_)
app.command("rescore")(rescoring.rescore)
app.command("choose")(choosing.choose)
app.command("spell")(spelling.spell)
app.command("serve")(serving.serve)
app.add_typer(classifying.classify, name="classify")
app.add_typer(tagging.tag, name="tag")
app.add_typer(translating.translate, name="translate")
app.add_typer(parsing.parse, name="parse")
