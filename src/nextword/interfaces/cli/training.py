"""``nextword train``."""

import time
from typing import Annotated, Any

import typer

from nextword.interfaces.cli.options import Field, OutDir, Quiet, Threads
from nextword.interfaces.cli.progress import bar, note

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
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Files, one sentence a line: .txt, .gz, .zst, .jsonl; - is stdin."),
    ],
    out: OutDir,
    order: Annotated[int, typer.Option(min=1, help="Words per n-gram.")] = 5,
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
        str, typer.Option(help="whitespace, word, char, byte, bpe (learnt here), or a tokenizer.json file.")
    ] = "whitespace",
    bpe_size: Annotated[int, typer.Option(min=300, help="Pieces that --tokenizer bpe learns.")] = 8000,
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="Unicode normalisation: nfc, nfd, nfkc or nfkd.")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase all text.")] = False,
    prune: Annotated[
        str,
        typer.Option(metavar="0 0 1", help="Per order, drop n-grams counted that often or less; the last repeats."),
    ] = "0",
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
    field: Field = "text",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train an n-gram model.

    Example: nextword train ngram wiki.txt.gz --order 5 --out wiki5
    """
    from nextword.api import train as train_model
    from nextword.ngram.smoothing import Smoothing
    from nextword.store import check_target
    from nextword.text.corpus import Corpus
    from nextword.text.normalize import Normalizer

    _check_relevant(smoothing, alpha=alpha, discount=discount, buckets=buckets, valid=valid)
    settings: dict[str, Any] = {"prune": _thresholds(prune), "min_count": min_count, "vocab_size": vocab_size}
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
    begin = time.perf_counter()
    corpus = Corpus(text, field=field)
    with bar(corpus, text, "reading", quiet=quiet) as watched:
        lm = train_model(
            corpus,
            blocks=watched.blocks,
            order=order,
            smoothing=estimator,
            tokenizer=tokenizer,
            bpe_size=bpe_size,
            normalizer=Normalizer(normalize, lowercase=lowercase),  # type: ignore[arg-type]  # it refuses others too
            valid=None if valid is None else Corpus(valid, field=field),
            threads=threads,
            progress=watched.say,
            **settings,
        )
    lm.save(out)
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
