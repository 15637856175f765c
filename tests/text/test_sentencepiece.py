"""SentencePiece models as tokenizers: the library's own pieces, whatever way they are asked for."""

import io
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nextword
from nextword.errors import UsageError
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer, tokenizer_from_config

spm = pytest.importorskip("sentencepiece")

PROSE = ["the students opened their books", "the books were opened by students", "they opened the door"] * 20


def trained(**options):
    """A tiny SentencePiece model, as bytes."""
    written = io.BytesIO()
    usual = {"vocab_size": 60, "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 1}
    spm.SentencePieceTrainer.train(sentence_iterator=iter(PROSE), model_writer=written, **usual | options)
    return written.getvalue()


@pytest.fixture(scope="module")
def model():
    return trained()


@pytest.fixture(scope="module")
def tokenizer(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("sp") / "en.sp.model"
    path.write_bytes(model)
    return make_tokenizer(str(path))


def test_its_pieces_are_the_librarys(tokenizer, model):
    theirs = spm.SentencePieceProcessor(model_proto=model)
    lines = ["the students opened", "", "  two  blanks ", "Zürich 東京", "<s> </s> <unk>", "a\tb"]
    pieces = [theirs.encode_as_pieces(line) for line in lines]
    assert [tokenizer.tokens(line) for line in lines] == pieces
    expected = "".join(" ".join(some) + "\n" for some in pieces)
    assert tokenizer.canonical("".join(line + "\n" for line in lines).encode()).decode() == expected
    assert pieces[0][0] == "▁the"  # it is not trivial


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))))
def test_lines_are_independent(tokenizer, lines):
    found = tokenizer.canonical("".join(line + "\n" for line in lines).encode()).decode()
    assert found == "".join(" ".join(tokenizer.tokens(line)) + "\n" for line in lines)


def test_pieces_with_delimiters_are_shown_as_pictures():
    """A model that normalises nothing keeps control characters, which would cut its pieces in two."""
    data = trained(normalization_rule_name="identity", user_defined_symbols=["x\ty"])
    tokenizer = tokenizer_from_config({"name": "sentencepiece"}, {"sentencepiece.model": data})
    assert "x␉y" in tokenizer.tokens("the x\ty")
    lines = [" ".join(tokenizer.tokens(line)) for line in ("the x\ty", "the")]
    assert tokenizer.canonical(b"the x\ty\nthe\n").decode() == "\n".join([*lines, ""])
    assert tokenizer.detokenize(tokenizer.tokens("the x\ty")) == "the x\ty"


def test_back_to_text_and_words(tokenizer):
    pieces = tokenizer.tokens("the students opened their books")
    assert tokenizer.detokenize(pieces) == "the students opened their books"
    assert sum(map(tokenizer.begins_word, pieces)) == 5


def test_it_is_stored_with_a_model(tokenizer, model, tmp_path):
    pipeline = Pipeline(Normalizer("ccnet"), tokenizer)
    assert pipeline.payloads() == {"sentencepiece.model": model}
    again = Pipeline.from_config(pipeline.config(), pipeline.payloads())
    assert again.tokens("The STUDENTS") == tokenizer.tokens("the students")
    assert pickle.loads(pickle.dumps(tokenizer)).tokens("the door") == tokenizer.tokens("the door")

    (tmp_path / "sp.model").write_bytes(model)
    text = nextword.Corpus.from_lines(PROSE)
    lm = nextword.train(text, order=2, smoothing="witten-bell", tokenizer=str(tmp_path / "sp.model"))
    lm.save(tmp_path / "model")
    loaded = nextword.load(tmp_path / "model")
    assert loaded.perplexity("the students opened") == lm.perplexity("the students opened") < 60
    assert "▁the" in loaded.model.vocabulary


def test_errors(tmp_path, monkeypatch):
    for name, data in {"junk.model": b"junk", "empty.model": b""}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=f"{name}: this is no SentencePiece model that the library can read"):
            make_tokenizer(str(tmp_path / name))
    with pytest.raises(UsageError, match="unknown tokenizer 'no.model'; .*; there is no such file$"):
        make_tokenizer("no.model")
    with pytest.raises(UsageError) as caught:
        tokenizer_from_config({"name": "sentencepiece"}, {})
    assert str(caught.value) == "the tokenizer's sentencepiece.model is missing; copy or train the model again"
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UsageError) as caught:
        tokenizer_from_config({"name": "sentencepiece"}, {"sentencepiece.model": b"x"})
    assert str(caught.value) == (
        "a SentencePiece tokenizer needs sentencepiece; install it with: pip install 'nextword[pretrained]'"
    )
