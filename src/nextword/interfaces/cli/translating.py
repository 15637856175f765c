"""``nextword translate``: train on parallel texts, translate, and score translations."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from nextword.interfaces.cli.options import AsJson, ModelDir, OutDir, Quiet, TextFile
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.tables import table
from nextword.interfaces.cli.task_training import TaskTraining, trained

if TYPE_CHECKING:
    from nextword.tasks.translate.score import Scores
    from nextword.tasks.translate.translator import Translator
    from nextword.text.parallel import Parallel

translate = typer.Typer(no_args_is_help=True, help="Train a translator, translate a text, score translations.")

_TEXTS = "The sentences and, line by line, their translations; or one tab-separated file that has both."
Texts: TypeAlias = Annotated[list[str], typer.Argument(metavar="SOURCE [TARGET]", help=_TEXTS, show_default=False)]
Columns: TypeAlias = Annotated[
    str, typer.Option(metavar="1,2", help="The columns of a tab-separated file: numbers, or names in its first line.")
]
Beam: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Beginnings kept; the model's own unless given; 1 is greedy.")
]
LengthPenalty: TypeAlias = Annotated[
    float | None, typer.Option(min=0.0, help="Longer translations rank higher; 0 by probability alone.")
]


@translate.command()
@trained("translator")
def train(
    texts: Texts,
    out: OutDir,
    *,
    training: TaskTraining,
    valid: Annotated[
        str | None, typer.Option(metavar="TSV", help="Held-out pairs, tab-separated: what does best on them is kept.")
    ] = None,
    valid_source: Annotated[str | None, typer.Option(metavar="FILE", help="Held-out sentences,")] = None,
    valid_target: Annotated[str | None, typer.Option(metavar="FILE", help="and their translations.")] = None,
    columns: Columns = "1,2",
    tokenizer: Annotated[
        str, typer.Option(help="bpe, word, char, byte, whitespace, or a tokenizer.json file.")
    ] = "bpe",
    vocab_size: Annotated[int, typer.Option(min=4, help="Pieces or words that are known.")] = 8000,
    min_count: Annotated[int, typer.Option(min=1, help="Rarer words are unknown.")] = 1,
    separate: Annotated[bool, typer.Option("--separate", help="A vocabulary for each language; else one.")] = False,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase both texts.")] = False,
    cell: Annotated[str, typer.Option(help="lstm or gru.")] = "lstm",
    attention: Annotated[str, typer.Option(help="luong, luong-dot, bahdanau or none.")] = "luong",
    input_feeding: Annotated[
        bool, typer.Option("--input-feeding", help="The decoder reads what attention gave (luong; slower).")
    ] = False,
    embedding_size: Annotated[int, typer.Option(min=1, help="Numbers in a token's vector.")] = 256,
    hidden_size: Annotated[
        int, typer.Option(min=2, help="Units of the decoder; half as many each way in the encoder.")
    ] = 512,
    layers: Annotated[int, typer.Option(min=1, help="Recurrent layers.")] = 1,
    dropout: Annotated[float, typer.Option(min=0.0, help="Share of units dropped.")] = 0.3,
    untied: Annotated[bool, typer.Option("--untied", help="Output vectors that are not the embeddings.")] = False,
    label_smoothing: Annotated[float, typer.Option(min=0.0, help="Share of probability spread over all tokens.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer sentences are left out, and counted.")] = 100,
) -> None:
    """Train an encoder–decoder on sentences and their translations.

    Blank pairs and pairs of very long sentences are left out and counted. Checkpoints and metrics are kept in
    DIR.training beside DIR.

    Example: nextword translate train train.en train.es --valid-source dev.en --valid-target dev.es --out en-es
    """
    from nextword.tasks import Translator

    pairs = _read(texts, columns)
    held_out = _held_out(valid, valid_source, valid_target, columns)
    translator = Translator(
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        min_count=min_count,
        separate=separate,
        lowercase=lowercase,
        cell=cell,
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        layers=layers,
        attention=attention,
        input_feeding=input_feeding,
        dropout=dropout,
        tied=not untied,
        label_smoothing=label_smoothing,
        max_tokens=max_tokens,
        training=asdict(training.settings),
    )
    with training.run(out, "translator", texts) as run:
        known = None if held_out is None else (held_out.sources, held_out.targets)
        translator.fit(pairs.sources, pairs.targets, valid=known, run=run.options)
    translator.info = {**translator.info, "trained_on": pairs.files}
    translator.save(out)
    run.saved(out)
    note(_summary(out, translator, pairs), quiet=training.quiet)


@translate.command()
def predict(
    model: ModelDir,
    file: TextFile,
    *,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a translation; twice the source's and 10 unless given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the translations there.")] = None,
    attention: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw where it looks in the first sentence: .png or .html.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Translate a text line by line: as many lines as it has, blank ones for blank ones.

    Example: nextword translate predict en-es talk.en --beam 5 --out talk.es
    """
    from nextword.tasks import Translator

    if attention is not None:
        from nextword.tasks.translate.picture import check_picture

        check_picture(attention)
    translator, sources = Translator.load(model), _lines(file)
    found = translator.translations(sources, beam=beam, length_penalty=length_penalty, max_tokens=max_tokens)
    best = [some[0] for some in found]
    if as_json:
        lines = [
            json.dumps({"source": s, **t._asdict()}, ensure_ascii=False) for s, t in zip(sources, best, strict=True)
        ]
    else:
        lines = [one.text for one in best]
    if out is None:
        for line in lines:
            typer.echo(line)
    else:
        out.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
        note(f"wrote {out}: {len(lines):,} lines", quiet=quiet)
    if attention is not None:
        _draw(translator, sources, [one.text for one in best], attention, quiet)


@translate.command()
def evaluate(
    model: ModelDir,
    texts: Texts,
    *,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    columns: Columns = "1,2",
    as_json: AsJson = False,
) -> None:
    """BLEU and chrF by sacrebleu, of all sentences and by the number of words in the source.

    Example: nextword translate evaluate en-es test.en test.es
    """
    from nextword.tasks import Translator
    from nextword.tasks.translate.score import evaluate as evaluate_translations

    pairs = _read(texts, columns)
    translator = Translator.load(model)
    found = translator.predict(pairs.sources, beam=beam, length_penalty=length_penalty)
    scores = evaluate_translations(found, pairs.targets, pairs.sources)
    if as_json:
        typer.echo(json.dumps({"model": str(model), "blank": pairs.blank, **scores.to_json()}, indent=1))
    else:
        _show(scores, pairs.blank)


def _read(texts: list[str], columns: str) -> "Parallel":
    from nextword.errors import UsageError
    from nextword.text.parallel import read_pairs, read_parallel

    if len(texts) > 2:
        raise UsageError(f"{len(texts)} files were given; give sentences and translations, or one tab-separated file")
    if len(texts) == 2:
        return read_parallel(*texts)
    names = [name.strip() for name in columns.split(",")]
    numbers = all(name.isdecimal() for name in names)
    return read_pairs(texts[0], columns=[int(name) for name in names] if numbers else names)


def _held_out(valid: str | None, source: str | None, target: str | None, columns: str) -> "Parallel | None":
    from nextword.errors import UsageError

    if (source is None) != (target is None):
        raise UsageError("--valid-source and --valid-target go together: sentences and their translations; give both")
    if valid is not None and source is not None:
        raise UsageError("--valid and --valid-source are two ways to give held-out pairs; give one")
    given = [name for name in (valid, source, target) if name is not None]
    return _read(given, columns) if given else None


def _lines(file: str) -> list[str]:
    from nextword.text.corpus import Corpus

    text = b"".join(block.text for block in Corpus(file)).decode()
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _draw(translator: "Translator", sources: list[str], targets: list[str], path: Path, quiet: bool) -> None:
    from nextword.errors import UsageError
    from nextword.tasks.translate.picture import draw

    first = next((i for i, source in enumerate(sources) if source.strip()), None)
    if first is None:
        raise UsageError("the text has no sentence whose attention could be drawn; give one")
    draw(translator.look(sources[first], targets[first]), path)
    note(f"wrote {path}", quiet=quiet)


def _show(scores: "Scores", blank: int) -> None:
    rows = [["all", f"{scores.sentences:,}", f"{scores.bleu:.1f}", f"{scores.chrf:.1f}"]]
    rows += [[one.name, f"{one.sentences:,}", f"{one.bleu:.1f}", f"{one.chrf:.1f}"] for one in scores.by_length]
    typer.echo(table(["words", "sentences", "BLEU", "chrF"], rows))
    typer.echo(f"\nBLEU {scores.bleu_signature}\nchrF {scores.chrf_signature}")
    if blank:
        typer.echo(f"left out: {blank:,} blank pair{'' if blank == 1 else 's'}")


def _summary(out: Path, translator: "Translator", pairs: "Parallel") -> str:
    report: Any = translator.report_
    left = {"blank": pairs.blank + translator.skipped_["blank"], "too long": translator.skipped_["long"]}
    words = "".join(f", {count:,} left out ({name})" for name, count in left.items() if count)
    loss = "" if report.valid_loss is None else f", {report.valid_loss:.3f} nats per held-out token"
    return f"wrote {out}: {len(pairs):,} pairs{words}, {report.steps:,} steps in {report.seconds:,.0f} s{loss}"
