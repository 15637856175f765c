"""``nextword train``."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nextword.interfaces.cli.files import check_target, is_arpa, save_lm
from nextword.interfaces.cli.options import Field, Memory, Quiet, Resume, Temp, Threads
from nextword.interfaces.cli.progress import bar, note, stages
from nextword.ngram.sizes import parse_size

_OPTIONS_OF = {  # option → its usual value, and the smoothings that heed it
    "alpha": (1.0, ("add",)),
    "discount": (None, ("absolute", "katz", "kneser-ney")),
    "buckets": (32, ("jelinek-mercer",)),
    "valid": (None, ("jelinek-mercer",)),
}

train = typer.Typer()


@train.callback()
def _train() -> None:
    """Train a model; choose its kind.

    Example: nextword train ngram wiki.txt.gz --order 5 --out wiki5
    """


@train.command()
def ngram(
    out: Annotated[
        Path,
        typer.Option(metavar="OUT", help="A model directory to write, or an .arpa[.gz] file.", show_default=False),
    ],
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT...", help="Files, one sentence a line: .txt, .gz, .zst, .jsonl; - is stdin."),
    ] = None,
    order: Annotated[
        int | None, typer.Option(min=1, help="Words per n-gram; 5, or as many as the counts have.", show_default=False)
    ] = None,
    smoothing: Annotated[
        str,
        typer.Option(
            help="mle, add, laplace, absolute, katz, jelinek-mercer, witten-bell, kneser-ney, modified-kneser-ney or "
            "stupid-backoff."
        ),
    ] = "modified-kneser-ney",
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="Held-out text for the weights of jelinek-mercer.")
    ] = None,
    tokenizer: Annotated[
        str, typer.Option(help="whitespace, word, char, byte, bpe (learnt here), tokenizer.json or a .model file.")
    ] = "whitespace",
    bpe_size: Annotated[int, typer.Option(min=300, help="Pieces that --tokenizer bpe learns.")] = 8000,
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="Normalisation: nfc, nfd, nfkc, nfkd or ccnet.")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase all text.")] = False,
    prune: Annotated[
        str,
        typer.Option(metavar="0 0 1", help="Per order, drop n-grams counted that often or less; the last repeats."),
    ] = "0",
    prune_entropy: Annotated[
        float | None, typer.Option(help="Prune the finished model by relative entropy, as nextword prune does: 1e-8.")
    ] = None,
    target_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Prune it until the directory takes no more bytes, such as 50M.")
    ] = None,
    min_count: Annotated[int, typer.Option(min=1, help="Words rarer than this become <unk>.")] = 1,
    vocab_size: Annotated[
        int | None, typer.Option(min=3, help="Keep so many words, <unk>, <s> and </s> included; others become <unk>.")
    ] = None,
    limit_vocab: Annotated[
        str | None, typer.Option(metavar="FILE", help="Drop n-grams with words that this file does not list.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="What --smoothing add adds to every count.")] = 1.0,
    discount: Annotated[
        float | None, typer.Option(help="Fixed discount of absolute and kneser-ney; estimated unless given.")
    ] = None,
    buckets: Annotated[
        int, typer.Option(min=1, max=32, help="Weights per order of jelinek-mercer, by a context's count.")
    ] = 32,
    discount_fallback: Annotated[
        bool, typer.Option("--discount-fallback", help="Take 0.5, 1, 1.5 where discounts cannot be estimated.")
    ] = False,
    interpolate_unigrams: Annotated[
        bool, typer.Option(help="Give unigrams a share of the uniform distribution.")
    ] = True,
    like_lmplz: Annotated[
        bool, typer.Option("--like-lmplz", help="Number words and count discounts as KenLM's lmplz does.")
    ] = False,
    memory: Memory = None,
    temp: Temp = None,
    resume: Resume = False,
    from_counts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Train on what nextword count has counted, not on a text.", show_default=False
        ),
    ] = None,
    field: Field = "text",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train an n-gram model.

    Example: nextword train ngram wiki.txt.gz --order 5 --out wiki5
    """
    from nextword.api import train as train_model
    from nextword.api import train_from_counts
    from nextword.errors import UsageError
    from nextword.ngram.external.workplace import discard
    from nextword.ngram.smoothing import Smoothing
    from nextword.text.corpus import Corpus
    from nextword.text.normalize import Normalizer

    _check_relevant(smoothing, alpha=alpha, discount=discount, buckets=buckets, valid=valid)
    settings: dict[str, Any] = {"prune": _thresholds(prune), "prune_entropy": prune_entropy}
    settings["target_size"] = None if target_size is None else parse_size(target_size, "--target-size")
    if limit_vocab is not None:
        settings["limit_vocab"] = _listed_words(limit_vocab)
    estimator = Smoothing(
        smoothing,  # type: ignore[arg-type]  # Smoothing itself refuses an unknown name
        alpha=alpha,
        discount=discount,
        discount_fallback=discount_fallback,
        interpolate_unigrams=interpolate_unigrams,
        like_lmplz=like_lmplz,
        buckets=buckets,
    )
    check_target(out)
    if is_arpa(out) and smoothing == "stupid-backoff":
        raise UsageError(f"{out}: a stupid-backoff model has no ARPA form; give a directory")
    begin = time.perf_counter()
    settings |= {"smoothing": estimator, "valid": None if valid is None else Corpus(valid, field=field)}
    settings |= {"threads": threads}
    reading: dict[str, Any] = {"tokenizer": tokenizer, "bpe_size": bpe_size}
    reading |= {"min_count": min_count, "vocab_size": vocab_size, "memory": memory, "resume": resume or None}
    on_disk = temp is not None or from_counts is not None or memory is not None or resume
    place = (temp or out.with_name(f"{out.name}.counting")) if on_disk else None
    if from_counts is not None:
        _check_counted(from_counts, text=text, normalize=normalize, lowercase=lowercase, field=field, **reading)
        with stages(f"counts of {from_counts}", quiet=quiet) as say:
            lm = train_from_counts(from_counts, order=order, temp=place, progress=say, **settings)
    else:
        corpus = Corpus(text or [], field=field)
        normalizer = Normalizer(normalize, lowercase=lowercase)  # type: ignore[arg-type]  # it refuses others too
        with bar(corpus, text or [], "reading", quiet=quiet) as watched:
            lm = train_model(
                corpus,
                blocks=watched.blocks,
                order=order or 5,
                normalizer=normalizer,
                progress=watched.say,
                **reading,
                **settings,
                temp=place,
                keep_temp=True,
            )
    save_lm(lm, out, quiet=quiet)
    if place is not None:
        discard(place)
        note(f"{place}: temporary files took {lm.info['temporary_bytes'] / 1e6:,.0f} MB at most; deleted", quiet=quiet)
    for remark in lm.model.details["notes"]:
        note(remark, quiet=quiet)
    counts = ", ".join(f"{n:,}" for n in lm.model.counts())
    note(f"{out}: {len(lm.model):,} n-grams ({counts}) in {time.perf_counter() - begin:.1f} s", quiet=quiet)


def _check_relevant(smoothing: str, **options: object) -> None:
    """An option that the chosen smoothing would ignore is a mistake."""
    from nextword.errors import UsageError

    for name, (usual, estimators) in _OPTIONS_OF.items():
        if options[name] != usual and smoothing not in estimators:
            raise UsageError(f"--{name} has no effect on {smoothing}; it is for --smoothing {' or '.join(estimators)}")


def _check_counted(counts: Path, **options: object) -> None:
    """What counts have settled already cannot be asked for again."""
    from nextword.errors import UsageError

    usual = {"tokenizer": "whitespace", "bpe_size": 8000, "min_count": 1, "lowercase": False, "field": "text"}
    given = [name for name, value in options.items() if value not in (None, usual.get(name))]
    if given:
        names = ", ".join("a text" if name == "text" else f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{counts}: holds counts, which {names} can no longer change; leave it out, or count again")


def _thresholds(prune: str) -> list[int]:
    from nextword.errors import UsageError

    try:
        return [int(threshold) for threshold in prune.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"--prune {prune!r}: give one whole number per order, such as --prune 0 0 1") from None


def _listed_words(file: str) -> list[str]:
    """The words of a file, which stand between white space."""
    from nextword.text.corpus import Corpus
    from nextword.text.tokenize import WhitespaceTokenizer

    lines = (line for block in Corpus(file) for line in block.text.decode().split("\n"))
    return [word for line in lines for word in WhitespaceTokenizer().tokens(line)]
