"""``nextword choose``: which of several phrasings is likelier."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.files import open_lm
from nextword.interfaces.cli.options import AsJson, ModelDir
from nextword.interfaces.cli.tables import table

if TYPE_CHECKING:
    from nextword.tasks.choose import Choice


def choose(
    model: ModelDir,
    alternatives: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT TEXT...", help="The alternatives.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Alternatives with tabs between them, a choice a line."),
    ] = None,
    fragment: Annotated[
        bool, typer.Option("--fragment", help="Phrases of running text: no <s> before, no </s> after.")
    ] = False,
    no_end: Annotated[bool, typer.Option("--no-end", help="Leave </s> out.")] = False,
    after: Annotated[str, typer.Option(metavar="TEXT", help="Words that come before, which are not scored.")] = "",
    words: Annotated[bool, typer.Option("--words", help="Show the surprisal of each word.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rank alternatives by their probability, with the difference to the best in bits.

    Whole sentences unless --fragment is given. With --file the best alternative of each line is written, a tab, and by
    how many bits it is likelier than the next.

    Example: nextword choose wiki5 "high school principal" "high school principle" --fragment --words
    """
    from nextword.errors import UsageError
    from nextword.tasks.choose import choose as choose_among
    from nextword.tasks.rescore.files import read_lines

    if bool(alternatives) == (file is not None):
        raise UsageError("give two or more alternatives, or a file of them with --file, and not both")
    lm = open_lm(model)
    options: dict[str, Any] = {"pipeline": lm.pipeline, "after": after, "fragment": fragment}
    options["end"] = False if no_end else None
    if file is None:
        found = choose_among(lm.model, alternatives or [], **options)
        typer.echo(json.dumps(_ranked(found), indent=1, ensure_ascii=False) if as_json else _choices(found, words))
        return
    for line in read_lines(file):
        try:
            found = choose_among(lm.model, line.text.split("\t"), **options)
        except UsageError as error:
            raise UsageError(f"{line.where}: {error}") from error
        if as_json:
            typer.echo(json.dumps(_ranked(found), ensure_ascii=False))
        else:
            typer.echo(f"{found[0].text}\t{found[1].behind:.2f}")


def _ranked(found: "list[Choice]") -> list[dict[str, Any]]:
    return [
        {"text": one.text, "log_prob": one.log_prob, "bits": one.bits, "behind": one.behind,
         "tokens": [part._asdict() for part in one.parts]}
        for one in found
    ]  # fmt: skip


def _choices(found: "list[Choice]", words: bool) -> str:
    rows = [[one.text, f"{one.log_prob:.3f}", f"{one.bits:.2f}", f"{one.behind:.2f}"] for one in found]
    shown = [table(["", "log-probability", "bits", "bits behind"], rows)]
    for one in found if words else ():
        cells = [[part.token, f"{part.bits:.2f}", "unknown" if part.oov else ""] for part in one.parts]
        shown.append(table([one.text, "bits", ""], cells))
    return "\n\n".join(shown)
