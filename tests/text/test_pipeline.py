"""The pipeline: normalise, then tokenise, and come back from a stored config."""

import pytest

from nextword.errors import UsageError
from nextword.text.bpe import train_bpe
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline, Prepared
from nextword.text.spelling import ByteTokenizer, CharTokenizer
from nextword.text.words import WordTokenizer

DECOMPOSED = "E\u0301te\u0301 a\n".encode()  # 9 bytes, 7 in NFC


def test_without_arguments_nothing_is_copied():
    text = b"students  opened\n"
    prepared = Pipeline().canonical(text)
    assert prepared.text is text
    assert prepared.size == len(text)


def test_text_is_normalised_before_it_is_tokenised():
    pipeline = Pipeline(Normalizer("nfc", lowercase=True), CharTokenizer())
    assert pipeline.canonical(DECOMPOSED) == Prepared("é t é ▁ a\n".encode(), len("été a\n".encode()))
    assert pipeline.tokens("E\u0301 a") == ["é", "▁", "a"]
    assert pipeline.detokenize(["é", "▁", "a"]) == "é a"


@pytest.mark.parametrize(("text", "size"), [(b"", 0), (b"a", 2), (b"a\n", 2), (b"\n\n", 2), (b"a\n\nb", 5)])
def test_size_counts_the_newline_that_is_missing(text, size):
    assert Pipeline(Normalizer("nfc"), ByteTokenizer()).canonical(text).size == size


@pytest.mark.parametrize(
    "pipeline",
    [
        Pipeline(),
        Pipeline(Normalizer("nfkc", lowercase=True), WordTokenizer()),
        Pipeline(Normalizer("nfd"), train_bpe(Corpus.from_text("students opened"), vocab_size=260)),
    ],
)
def test_config_round_trip(pipeline):
    again = Pipeline.from_config(pipeline.config(), pipeline.payloads())
    assert (again.config(), again.payloads()) == (pipeline.config(), pipeline.payloads())
    assert again.canonical(DECOMPOSED) == pipeline.canonical(DECOMPOSED)


def test_config_is_plain():
    assert Pipeline(Normalizer("nfc")).config() == {
        "normalizer": {"form": "nfc", "lowercase": False},
        "tokenizer": {"name": "whitespace"},
    }


@pytest.mark.parametrize("config", [{}, {"tokenizer": {"name": "word"}}, None])
def test_a_config_that_is_none(config):
    with pytest.raises(UsageError) as caught:
        Pipeline.from_config(config, {})
    assert str(caught.value) == f"a pipeline is stored as a normalizer and a tokenizer, not as {config}"
