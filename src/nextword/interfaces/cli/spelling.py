"""``nextword spell``: the noisy-channel corrector."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextword.interfaces.cli.files import open_lm
from nextword.interfaces.cli.options import AsJson, ModelDir, Quiet
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.written import Out, written

if TYPE_CHECKING:
    from nextword.tasks.spelling import Channel


def spell(
    model: ModelDir,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A text, one sentence a line; - is standard input.", show_default=False),
    ],
    out: Out = Path("-"),
    max_edits: Annotated[int, typer.Option(min=0, max=3, help="Edits in an unknown word, at most.")] = 2,
    known_edits: Annotated[int, typer.Option(min=0, max=3, help="Edits in a word of the vocabulary.")] = 1,
    error_rate: Annotated[
        float | None, typer.Option(help="Share of words that are wrong; 0.05 or from --pairs.")
    ] = None,
    confusions: Annotated[
        str | None, typer.Option(metavar="FILE", help="Words that are taken for each other, a set a line.")
    ] = None,
    pairs: Annotated[
        str | None, typer.Option(metavar="FILE", help="Words typed, a tab, and meant, a pair a line: how people err.")
    ] = None,
    lm_weight: Annotated[float, typer.Option(help="Weight of the model's log-probability.")] = 1.0,
    unknown_bonus: Annotated[
        float, typer.Option(help="Nats for a word outside the vocabulary: larger keeps more of them.")
    ] = -3.0,
    beam: Annotated[int, typer.Option(min=1, help="Readings of a line that are kept.")] = 8,
    references: Annotated[
        str | None, typer.Option(metavar="FILE", help="The right lines: count the errors before and after.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Correct the spelling of a text; wrong words that are words, too.

    The model's tokens must be words, and its vocabulary is what a word may be. Punctuation, numbers, blanks and
    capitals stay. With --json each line is an object with its text and what was changed.

    Example: nextword spell novels5 letter.txt --confusions homophones.txt --out corrected.txt
    """
    from nextword.errors import TextError
    from nextword.tasks.rescore.files import read_lines
    from nextword.tasks.spelling import Corrector, Settings

    channel = _channel(error_rate, confusions, pairs)
    settings = Settings(
        beam=beam, lm_weight=lm_weight, max_edits=max_edits, known_edits=known_edits, unknown=unknown_bonus
    )
    typed = [line.text for line in read_lines(file)]
    truth = None if references is None else [line.text for line in read_lines(references)]
    if truth is not None and len(truth) != len(typed):
        raise TextError(f"{references}: {len(truth)} lines for the {len(typed)} of {file}; give one for each")
    lm = open_lm(model)
    corrector = Corrector(lm.model, channel, pipeline=lm.pipeline, settings=settings)
    meant, changed = list[str](), 0
    with written(out) as stream:
        for one in corrector.correct(typed):
            meant.append(one.text)
            changed += len(one.changes)
            record = {"text": one.text, "changes": [change._asdict() for change in one.changes]}
            stream.write((json.dumps(record, ensure_ascii=False) if as_json else one.text) + "\n")
    note(f"{changed:,} words changed on {len(typed):,} lines", quiet=quiet)
    if truth is not None:
        note(_corrected(truth, typed, meant), quiet=quiet)


def _channel(error_rate: float | None, confusions: str | None, pairs: str | None) -> "Channel":
    from dataclasses import replace

    from nextword.tasks.spelling import Channel, Confusions, read_confusions, read_pairs

    sets = Confusions() if confusions is None else read_confusions(confusions)
    channel = Channel(confusions=sets) if pairs is None else Channel.estimate(read_pairs(pairs), sets)
    return channel if error_rate is None else replace(channel, error_rate=error_rate)


def _corrected(truth: list[str], typed: list[str], meant: list[str]) -> str:
    from nextword.tasks.rescore import count_errors

    before, after = (count_errors(truth, texts) for texts in (typed, meant))
    return f"word errors: {before.errors:,} ({before.rate:.2%}) before, {after.errors:,} ({after.rate:.2%}) after"
