"""``nextword count``."""

import time
from pathlib import Path
from typing import Annotated

import typer

from nextword.interfaces.cli.options import Field, Memory, Quiet, Ray, Resume, Temp, Threads, refuse_beside_ray
from nextword.interfaces.cli.progress import bar, note, stages


def count(
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Files, one sentence a line: .txt, .gz, .zst, .jsonl; - is stdin.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the counts.", show_default=False)],
    order: Annotated[int, typer.Option(min=1, help="Words per n-gram, at most.")] = 5,
    tokenizer: Annotated[
        str, typer.Option(help="whitespace, word, char, byte, bpe (learnt here), tokenizer.json or a .model file.")
    ] = "whitespace",
    bpe_size: Annotated[int, typer.Option(min=300, help="Pieces that --tokenizer bpe learns.")] = 8000,
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="Normalisation: nfc, nfd, nfkc, nfkd or ccnet.")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase all text.")] = False,
    min_count: Annotated[int, typer.Option(min=1, help="Words rarer than this become <unk>.")] = 1,
    vocab_size: Annotated[
        int | None, typer.Option(min=3, help="Keep so many words, <unk>, <s> and </s> included; others become <unk>.")
    ] = None,
    like_lmplz: Annotated[
        bool, typer.Option("--like-lmplz", help="Number words as KenLM's lmplz does, for train --like-lmplz.")
    ] = False,
    memory: Memory = None,
    temp: Temp = None,
    resume: Resume = False,
    field: Field = "text",
    ray: Ray = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Count the n-grams of a text, for nextword train ngram --from-counts.

    With --ray the text is read in pieces by many cores, each of which may use --memory; where it was broken off the
    same command goes on.

    Example: nextword count wiki.txt.gz --order 5 --out wiki5.counts
    """
    from nextword.ngram.external.budget import DEFAULT_MEMORY
    from nextword.ngram.external.count_text import count_text
    from nextword.ngram.external.counting import CountSettings
    from nextword.text.corpus import Corpus
    from nextword.text.normalize import Normalizer
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    begin = time.perf_counter()
    corpus = Corpus(text, field=field)
    normalizer = Normalizer(normalize, lowercase=lowercase)  # type: ignore[arg-type]  # it refuses others too
    pipeline = Pipeline(
        normalizer, make_tokenizer(tokenizer, corpus=corpus, normalizer=normalizer, vocab_size=bpe_size)
    )
    settings = CountSettings(order, min_count, vocab_size, like_lmplz)
    if ray is not None:
        refuse_beside_ray(temp=temp, resume=resume, threads=threads)
        from nextword.cluster import counting

        with stages("Ray", quiet=quiet) as say:
            made = counting.count_on_cluster(
                text,
                out,
                settings=settings,
                pipeline=pipeline,
                memory=memory or counting.DEFAULT_MEMORY,
                field=field,
                address=ray,
                say=say,
            )
    else:
        with bar(corpus, text, "reading", quiet=quiet) as watched:
            made = count_text(
                corpus,
                out,
                blocks=watched.blocks,
                memory=memory or DEFAULT_MEMORY,
                temp=temp or out.with_name(f"{out.name}.counting"),
                resume=resume,
                settings=settings,
                pipeline=pipeline,
                threads=threads,
                progress=watched.say,
            )
    rows = sum(shard["rows"] for shard in made.shards)
    note(
        f"{out}: {rows:,} distinct windows of {order} words in {len(made.shards)} files, "
        f"{sum(shard['bytes'] for shard in made.shards) / 1e6:,.0f} MB; temporary files took "
        f"{made.temporary_bytes / 1e6:,.0f} MB at most; {time.perf_counter() - begin:.1f} s",
        quiet=quiet,
    )
