"""Files of n-best lists.

The Moses form is one hypothesis a line, ``id ||| text ||| scores`` or ``id ||| text ||| scores ||| total``. Scores are
numbers with names or without: ``-12.3 -4``, ``AM: -12.3 LM: -4``, ``LM0= -12.3 TM0= -4 -5`` (a name may have several).
JSON Lines hold a list a line, ``{"id", "hypotheses": [{"text", "score" or "scores"}]}``, or a hypothesis a line,
``{"id", "text", "score" or "scores"}``; scores are an array or an object of names. Further fields are kept. Hypotheses
of one id stand together, and all have the same scores. Nothing is dropped: what cannot be read is an error.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nextword.errors import TextError
from nextword.tasks.rescore.files import plain_suffix, read_lines
from nextword.tasks.rescore.json_lists import json_lines, read_json
from nextword.tasks.rescore.moses import EXAMPLE, moses_line, read_moses
from nextword.tasks.rescore.nbest import Form, NBestLists


def read_nbest(path: str | Path) -> NBestLists:
    """The lists of a file: JSON Lines if it is called ``.jsonl``, else the Moses form; ``-`` is standard input.

    Raises TextError, naming file and line, for a line that is neither, for a score that is no finite number, for
    scores that other lines lack, for an id that comes again after another, and for a file without a list.
    """
    lines = read_lines(path)
    form: Form = "moses"
    if plain_suffix(path) == ".jsonl":
        found, names, form = read_json(line for line in lines if line.text.strip())
    else:
        found, names = read_moses(lines)
    if not found:
        raise TextError(f"{path}: the file is empty; give n-best lists, {EXAMPLE} on each line")
    return NBestLists(tuple(found), names, form)


def write_nbest(
    lists: NBestLists, order: Iterable[Sequence[int]], scores: Sequence[float], totals: Sequence[float], *, name: str
) -> Iterator[str]:
    """Lines of the same lists in the same form, with a score more and the total, each list in the given order.

    order: of each list, the numbers of its hypotheses, best first. scores, totals: of every hypothesis of all lists, in
    their old order. name: what the score is called.
    """
    begin = 0
    for one, ranked in zip(lists, order, strict=True):
        places = [(one.hypotheses[i], scores[begin + i], totals[begin + i]) for i in ranked]
        begin += len(one.hypotheses)
        if lists.form == "moses":
            yield from (moses_line(one.id, *place, name) for place in places)
        else:
            yield from json_lines(lists, one, places, name)
