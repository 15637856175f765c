"""``nextword train cbow`` and ``neighbours``: embeddings as files of their own."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextword.interfaces.cli.options import AsJson, Field, Quiet
from nextword.interfaces.cli.progress import note, stages
from nextword.interfaces.cli.tables import table

if TYPE_CHECKING:
    from nextword.text.corpus import Corpus
    from nextword.text.pipeline import Pipeline
    from nextword.text.vocabulary import Vocabulary
    from nextword.types import Ids_T


def cbow(
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Files, one sentence a line: .txt, .gz, .zst, .jsonl; - is stdin."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the vectors, in the word2vec text format (.gz too).")
    ],
    embedding_size: Annotated[int, typer.Option(min=1, help="Numbers in each vector.")] = 100,
    window: Annotated[int, typer.Option(min=1, help="Words on each side that are the context.")] = 5,
    negatives: Annotated[int, typer.Option(min=1, help="Noise words that each word is told from.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Times the text is read.")] = 10,
    rate: Annotated[float, typer.Option(help="Learning rate at the beginning; it falls to 0.")] = 0.1,
    subsample: Annotated[
        float, typer.Option(help="Leave out occurrences of words more frequent than this, such as 0.001; 0: none.")
    ] = 0.0,
    tokenizer: Annotated[
        str, typer.Option(help="whitespace, word, char, byte, bpe (learnt here), tokenizer.json or a .model file.")
    ] = "whitespace",
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="Normalisation: nfc, nfd, nfkc, nfkd or ccnet.")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase all text.")] = False,
    min_count: Annotated[int, typer.Option(min=1, help="Words rarer than this become <unk>.")] = 1,
    vocab_size: Annotated[
        int | None, typer.Option(min=3, help="Keep so many words, <unk>, <s> and </s> included; others become <unk>.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same vectors.")] = 0,
    field: Field = "text",
    quiet: Quiet = False,
) -> None:
    """Train word embeddings, which predict each word from those around it; any neural model can start from them.

    Example: nextword train cbow wiki.txt.gz --out vectors.txt
    """
    from nextword.neural.cbow import CbowSettings, train_cbow
    from nextword.neural.embeddings import check_writable, write_embeddings
    from nextword.text.corpus import Corpus
    from nextword.text.normalize import Normalizer
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    settings = CbowSettings(embedding_size, window, negatives, epochs, rate, subsample, seed)
    check_writable(out)
    begin = time.perf_counter()
    with stages("training", quiet=quiet) as say:
        say("reading")
        corpus, normal = Corpus(text, field=field), Normalizer(normalize, lowercase=lowercase)  # type: ignore[arg-type]
        pipeline = Pipeline(normal, make_tokenizer(tokenizer, corpus=corpus, normalizer=normal))
        tokens, vocabulary = _indexed(corpus, pipeline, min_count, vocab_size)
        check_writable(out, vocabulary.words)
        done, total = 0, settings.epochs * len(tokens)

        def progress(words: int, loss: float) -> None:
            nonlocal done
            done += words
            say(f"{done / total:.0%}, loss {loss:.3f} nats")

        vectors = train_cbow(tokens, vocabulary, settings, progress=progress)
    write_embeddings(out, vocabulary.words, vectors)
    seconds = time.perf_counter() - begin
    note(f"{out}: {len(vectors):,} vectors of {embedding_size} numbers in {seconds:.1f} s", quiet=quiet)


def neighbours(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Vectors in the word2vec or GloVe text format.")],
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="The words whose neighbours to show.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """The words whose embeddings point in nearly the same direction, and the cosine of the angle between.

    Example: nextword neighbours vectors.txt students
    """
    from nextword.errors import VocabularyError
    from nextword.neural.embeddings import nearest_words, read_embeddings

    embeddings = read_embeddings(file)
    for word in words:
        if word not in embeddings.words:
            raise VocabularyError(f"{file}: has no vector of {word!r}; check its spelling and case")
    found = {word: nearest_words(embeddings, word, k) for word in words}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    rows = [[word, other, f"{cosine:.3f}"] for word, pairs in found.items() for other, cosine in pairs]
    typer.echo(table(["word", "neighbour", "cosine"], rows, left=2))


def _indexed(
    corpus: "Corpus", pipeline: "Pipeline", min_count: int, vocab_size: int | None
) -> "tuple[Ids_T, Vocabulary]":
    from nextword.text.indexing import Indexer

    indexer = Indexer()
    for block in corpus:
        indexer.read(pipeline.canonical(block.text).text, block.where)
    return indexer.finish(min_count=min_count, vocab_size=vocab_size)
