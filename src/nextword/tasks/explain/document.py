"""An explanation as one HTML file that needs no other: to be read in any browser, sent along, or printed."""

import html
import math
from collections.abc import Iterator
from pathlib import Path

from nextword import durable
from nextword.tasks.explain.backoff import BackoffPath, Rung
from nextword.tasks.explain.explanation import Explanation
from nextword.tasks.explain.gradients import Influence

_SHADES = 9
_BITS_A_SHADE = 2.0
_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5d5d66; --paper: #fdfdfb; --line: #dcdcd6; --low: #fdfdfb;
  --high: #f0a35e; --bar: #3b6ea8; --minus: #a8442a; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececea; --soft: #a5a5ad; --paper: #17181a; --line: #38393d;
  --low: #17181a; --high: #8a4a12; --bar: #7fb0e6; --minus: #e79a80; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 74rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, sans-serif }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 }
h2 { font-size: 1.1rem; font-weight: 600; margin: 2.5rem 0 .5rem }
p, caption { color: var(--soft); margin: .35rem 0; max-width: 44rem; text-align: left }
.text { font: 1.2rem/2.1 Georgia, serif; margin: 1.5rem 0; overflow-wrap: anywhere }
.text a, .text span { color: var(--ink); text-decoration: none; padding: .1em .2em; border-radius: .2em }
.text a:hover, .text a:focus-visible { outline: 2px solid var(--bar) }
.text .oov { text-decoration: underline dotted }
.end { color: var(--soft); font-size: .8em }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th { text-align: left; font-weight: 500; color: var(--soft); white-space: nowrap }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; white-space: nowrap }
.absent { color: var(--soft) }
.eq { font: .92rem/1.5 ui-monospace, monospace }
td.eq { min-width: 24rem }
.gram { white-space: nowrap }
.bar { display: inline-block; height: .7em; background: var(--bar); border-radius: 1px; min-width: 1px }
.bar.minus { background: var(--minus) }
.product { font-size: 1.05rem; margin: .6rem 0; color: var(--ink) }
@media print { body { max-width: none; padding: 0 } h2 { break-after: avoid } tr { break-inside: avoid }
  .text a, .text span, .bar { print-color-adjust: exact } }
"""


def page(explanation: Explanation, *, title: str = "") -> str:
    """The HTML page. title: shown as text, such as the model's name; whatever comes from the text is escaped."""
    return "".join(_page(explanation, title or f"A {explanation.kind} model"))


def write_page(explanation: Explanation, path: Path, *, title: str = "") -> None:
    """Write the page. Raises StoreError if the file cannot be written."""
    with durable.system_errors_named(path, "written"):
        path.write_text(page(explanation, title=title), encoding="utf-8")


def _page(one: Explanation, title: str) -> Iterator[str]:
    shades = "".join(
        f".s{i} {{ background: color-mix(in srgb, var(--high) {100 * i // _SHADES}%, var(--low)) }}\n"
        for i in range(_SHADES + 1)
    )
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Why these probabilities: {_text(title)}</title>\n<style>{_STYLE}{shades}</style>\n</head>\n<body>\n"
    total = sum(one.bits)
    yield f"<h1>Why these probabilities</h1>\n<p>{_text(title)}. {len(one.tokens):,} tokens, {_number(total)} bits"
    yield f", perplexity {_number(2 ** (total / len(one.tokens)) if total < 1e5 else math.inf)}.</p>\n"
    yield "<p>The stronger its colour, the more surprising a token was. Point at one for its numbers, or follow it."
    yield "</p>\n"
    yield f'<div class="text">{"".join(_tokens(one))}</div>\n'
    yield f'<div class="scroll">{_table(one)}</div>\n'
    yield from _details(one)
    yield "</body>\n</html>\n"


def _tokens(one: Explanation) -> Iterator[str]:
    blank = "" if _has_blanks(one) else " "
    for t, (token, bits) in enumerate(zip(one.tokens, one.bits, strict=True)):
        classes = f"s{_shade(bits)}" + (" oov" if one.oov[t] else "")
        known = ", not in the vocabulary" if one.oov[t] else ""
        hint = f"{_text(token)}: {_number(bits)} bits, probability {_probability(one.log_probs[t])}{known}"
        shown = '<span class="end">⏎</span>' if one.texts[t] == "\n" else _text(one.texts[t])
        place = f'href="#t{t + 1}"' if t in one.positions else 'href="#tokens"'
        yield f'<a class="{classes}" {place} title="{hint}">{shown}</a>'
        yield "<br>" if one.texts[t] == "\n" else blank


def _has_blanks(one: Explanation) -> bool:
    """Whether tokens bring their own blanks, as characters and pieces do."""
    return (
        any(text.startswith(" ") or text == " " for text in one.texts)
        or one.texts != one.tokens
        and all(len(text) == 1 for text in one.texts)
    )


def _table(one: Explanation) -> str:
    last = {True: "longest n-gram", False: "what mattered most"}[bool(one.paths)] if not one.members else "shares"
    rows = []
    for t, token in enumerate(one.tokens):
        cells = [f'<td class="n">{t + 1}</td><td>{_text(token)}</td>']
        cells.append(f'<td class="n">{_probability(one.log_probs[t])}</td><td class="n">{_number(one.bits[t])}</td>')
        cells.append(f"<td>{_summary(one, t)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = '<th class="n">#</th><th>token</th><th class="n">probability</th><th class="n">bits</th>'
    return f'<table id="tokens"><thead><tr>{head}<th>{last}</th></tr></thead>\n<tbody>{"".join(rows)}</tbody></table>'


def _summary(one: Explanation, t: int) -> str:
    if t not in one.positions:
        return ""
    i = one.positions.index(t)
    if one.members:
        return ", ".join(f"{_text(part.kind)} {100 * part.shares[t]:.0f} %" for part in one.members)
    if one.paths:
        path = one.paths[i]
        return _text(f"{path.order}: {' '.join([*_rung(path).context, path.word])}")
    return _text(", ".join(strongest(one.influences[i])))


def strongest(influence: Influence, most: int = 3) -> list[str]:
    """The inputs of the largest gradients, largest first."""
    places = sorted(range(len(influence.norms)), key=lambda k: -influence.norms[k])
    return [influence.inputs[k] for k in places[:most] if influence.norms[k] > 0]


def _details(one: Explanation, prefix: str = "t", level: str = "") -> Iterator[str]:
    for i, t in enumerate(one.positions):
        name = f"{t + 1}. {one.tokens[t]}{level}"
        if one.members:
            yield f'<h2 id="{prefix}{t + 1}">{_text(name)}</h2>\n<div class="scroll">{_members(one, t)}</div>\n'
            continue
        yield f'<h2 id="{prefix}{t + 1}">{_text(name)}</h2>\n'
        yield _ladder(one.paths[i]) if one.paths else _influence(one.influences[i])
    if one.no_counts and one.positions and one.paths:
        yield f"<p>Counts are not shown: {_text(one.no_counts)}.</p>\n"
    for number, part in enumerate(one.members, start=1):
        yield from _details(part.explanation, f"m{number}-", f", by the {part.kind}")


def _members(one: Explanation, t: int) -> str:
    rows = [
        f'<tr><td>{_text(part.kind)}</td><td class="n">{part.weight:.4f}</td>'
        f'<td class="n">{_probability(part.log_probs[t])}</td><td class="n">{100 * part.shares[t]:.1f} %</td></tr>'
        for part in one.members
    ]
    head = '<th>member</th><th class="n">weight</th><th class="n">probability</th><th class="n">share</th>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _rung(path: BackoffPath) -> Rung:
    """The rung that was found."""
    return next(rung for rung in path.rungs if rung.order == path.order)


def _ladder(path: BackoffPath) -> str:
    rows = "".join(_rung_row(rung, path) for rung in path.rungs)
    head = '<th class="n">order</th><th>n-gram</th><th>there</th><th class="n">back-off weight</th>'
    head += '<th class="n">probability</th>'
    if path.rungs[0].counted is not None:
        head += '<th class="n">count</th><th>from counts</th>'
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    given = " ".join(path.rungs[0].context)
    product = f"{path.product}{f' = {path.probability:.4g}' if '×' in path.product else ', as it is stored'}"
    total = f"p({path.word} | {given}) = {product}"
    return f'<p class="product eq">{_text(total)}</p><div class="scroll">{table}</div>\n'


def _rung_row(rung: Rung, path: BackoffPath) -> str:
    there = "yes" if rung.seen else "no" if rung.known else "no, nor its context"
    weight = "" if rung.weight is None else f"{rung.weight:.4g}"
    gram = _text(" ".join([*rung.context, path.word]))
    cells = [f'<td class="n">{rung.order}</td><td class="gram">{gram}</td><td>{there}</td>']
    cells.append(f'<td class="n">{weight}</td><td class="n">{_probability(rung.log_prob)}</td>')
    if rung.counted is not None:
        counted = rung.counted
        cells.append(f'<td class="n">{counted.count} of {counted.total}</td><td class="eq">{_text(counted.equation)}')
        cells.append(f"<br>weight {_text(counted.weight_equation)}</td>" if counted.weight_equation else "</td>")
    return f"<tr{'' if rung.seen else ' class=absent'}>{''.join(cells)}</tr>"


def _influence(one: Influence) -> str:
    largest = max(one.norms, default=0.0) or 1.0
    words = " ".join(
        f'<span class="s{min(_SHADES, round(_SHADES * norm / largest))}" title="{norm:.4g}">{_text(word)}</span>'
        for word, norm in zip(one.inputs, one.norms, strict=True)
    )
    rows = "".join(
        f'<tr><td>{_text(word)}</td><td class="n">{norm:.4g}</td><td>{_bar(norm / largest)}</td>'
        f'<td class="n">{_signed(product)}</td></tr>'
        for word, norm, product in zip(one.inputs, one.norms, one.products, strict=True)
    )
    head = '<th>read</th><th class="n">norm of the gradient</th><th></th><th class="n">gradient · input, nats</th>'
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    total = f"log p = {_signed(one.log_prob)} nats. The stronger its colour, the more the probability hangs on a word."
    return f'<p class="product">{_text(total)}</p><div class="text">{words}</div><div class="scroll">{table}</div>\n'


def _bar(share: float) -> str:
    return f'<span class="bar" style="width: {8 * share:.2f}em"></span>'


def _shade(bits: float) -> int:
    return _SHADES if not math.isfinite(bits) else max(0, min(_SHADES, round(bits / _BITS_A_SHADE)))


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.4f}"


def _probability(log_prob: float) -> str:
    return f"{math.exp(log_prob):.4g}"


def _number(value: float) -> str:
    return f"{value:,.2f}" if math.isfinite(value) else "infinite"


def _text(text: str) -> str:
    """Escaped, and without what HTML has no place for."""
    return html.escape("".join(c if c.isprintable() or c == " " else "�" for c in text))
