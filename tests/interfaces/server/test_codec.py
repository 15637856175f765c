"""Reading prompts and writing tokens: the pieces of a text are what the tokenizer itself spells, whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

import tokenizers  # noqa: E402
from tokenizers import decoders, models, pre_tokenizers  # noqa: E402

from nextword.errors import TextError, UsageError, VocabularyError  # noqa: E402
from nextword.interfaces.server.codec import Codec, named  # noqa: E402
from nextword.lm import LM  # noqa: E402
from nextword.text.bpe import PieceTokenizer, train_bpe  # noqa: E402
from nextword.text.corpus import Corpus  # noqa: E402
from nextword.text.pipeline import Pipeline  # noqa: E402
from nextword.text.spelling import ByteTokenizer, CharTokenizer  # noqa: E402
from nextword.text.tokenize import WhitespaceTokenizer  # noqa: E402
from nextword.text.vocabulary import SPECIALS, Vocabulary  # noqa: E402
from nextword.text.words import WordTokenizer  # noqa: E402
from toy import BigramTable  # noqa: E402

TEXT = 'The “café” (déjà vu) said: "to be, or not to be" – 3.50 € …'


def word_pieces():
    """WordPiece, whose pieces do not begin with a mark of their own."""
    words = ["[UNK]", "to", "be", "##come", "or", "not", ","]
    tokenizer = tokenizers.Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return PieceTokenizer(tokenizer.to_str().encode())


TOKENIZERS = {
    "whitespace": WhitespaceTokenizer(),
    "word": WordTokenizer(),
    "char": CharTokenizer(),
    "byte": ByteTokenizer(),
    "bpe": train_bpe(Corpus.from_text(TEXT), vocab_size=300),
    "word pieces": word_pieces(),
}
HALVES = ("byte", "bpe")  # whose tokens may be parts of characters


def codec_of(tokenizer, *texts):
    """A codec whose vocabulary holds the tokens of the texts."""
    words = dict.fromkeys(token for text in texts for line in text.split("\n") for token in tokenizer.tokens(line))
    vocabulary = Vocabulary.from_words([*SPECIALS, *(word for word in words if word not in SPECIALS)])
    return Codec(LM(BigramTable(vocabulary=vocabulary), Pipeline(tokenizer=tokenizer)))


texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from('ab "“”().,-\n é€😀')), max_size=30)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=texts)
def test_pieces_make_the_text_that_the_tokenizer_spells(name, text):
    codec = codec_of(TOKENIZERS[name], text)
    prompt = codec.read(text)
    spelt = "\n".join(codec.tokenizer.detokenize(codec.tokenizer.tokens(line)) for line in text.split("\n"))
    writer = codec.writer()
    pieces = [writer.add(word) for word in prompt.words]
    assert "".join(pieces) + writer.rest() == spelt == codec.text(prompt)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=texts, data=st.data())
def test_a_writer_goes_on_from_a_prompt_as_if_it_had_written_it(name, text, data):
    codec = codec_of(TOKENIZERS[name], text)
    words = codec.read(text).words
    split = data.draw(st.integers(0, len(words)))
    whole, after = codec.writer(), codec.writer().follow(words[:split])
    pieces = [whole.add(word) for word in words]
    assert [after.add(word) for word in words[split:]] == pieces[split:]


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name not in HALVES])
@given(text=texts)
def test_a_token_is_shown_as_its_piece(name, text):
    codec = codec_of(TOKENIZERS[name], text)
    writer = codec.writer()
    for word in codec.read(text).words:
        shown = writer.peek(word)
        assert shown == writer.add(word)


def test_a_part_of_a_character_is_named_by_its_bytes():
    codec = codec_of(TOKENIZERS["byte"], "a€b")
    writer = codec.writer()
    shown = [(writer.peek(word), writer.add(word)) for word in codec.read("a€b").words]
    assert shown == [
        ("a", "a"), (r"bytes:\xe2", ""), (r"bytes:\x82", ""), (r"bytes:\xac", "€"), ("b", "b"),
    ]  # fmt: skip
    half = codec.writer()
    assert (half.add("â"), half.rest(), half.rest()) == ("", "�", "")
    assert [named(word) for word in ("<unk>", "▁", "Ġa", "âĤ")] == ["<unk>", "▁", " a", r"bytes:\xe2\x82"]


def test_bytes_that_are_no_text_do_not_pile_up():
    codec = codec_of(TOKENIZERS["byte"], "€")
    writer = codec.writer()
    pieces = [writer.add("â") for _ in range(1000)]
    assert "".join(pieces) + writer.rest() == "�" * 1000
    assert len(writer._before) <= 33


def test_newlines_are_ends_of_lines():
    codec = codec_of(WhitespaceTokenizer(), "a b")
    prompt = codec.read("a\n\nb a\n")
    assert (prompt.ids, prompt.words) == ([3, 2, 2, 4, 3, 2], ["a", "</s>", "</s>", "b", "a", "</s>"])
    assert codec.text(prompt) == "a\n\nb a\n"
    assert codec.read("").ids == []


def test_the_mark_of_the_beginning_changes_nothing_and_stands_in_front_alone():
    codec = codec_of(WhitespaceTokenizer(), "a b")
    assert codec.read("<s> a b") == codec.check([1, 3, 4])
    assert codec.text(codec.check([1, 3, 4])) == "<s> a b"
    assert (len(codec.check([1, 3, 4])), codec.check([1, 3, 4]).ids) == (3, [3, 4])
    with pytest.raises(UsageError) as refused:
        codec.check([3, 1])
    assert str(refused.value) == "id 1 (<s>) stands inside the ids; it can only stand first"
    with pytest.raises(TextError) as refused:
        codec.read("a <s> b")
    assert str(refused.value) == "<s> stands inside the text; it can only stand at its beginning"


def test_characters_after_the_mark():
    codec = codec_of(CharTokenizer(), "ab ")
    assert codec.read("<s>a b").words == ["a", "▁", "b"]
    assert codec.text(codec.read("<s>a b")) == "<s>a b"
    assert codec.read("</s>").words == list("</s>")


def test_a_word_outside_the_vocabulary_is_given_back_as_it_was_written():
    codec = codec_of(WhitespaceTokenizer(), "a b")
    prompt = codec.read("a  zebra")
    assert (prompt.ids, codec.text(prompt)) == ([3, 0], "a zebra")
    assert codec.text(codec.check([3, 0])) == "a <unk>"


def test_ids_of_the_vocabulary_alone():
    with pytest.raises(VocabularyError) as refused:
        codec_of(WhitespaceTokenizer(), "a b").check([3, 5])
    assert str(refused.value) == "id 5 is not in the vocabulary, whose ids are 0 to 4"


def test_a_model_without_ends_of_lines_reads_one_line():
    vocabulary = Vocabulary.from_words(["a", "b"], unk=None, bos=None, eos=None)
    codec = Codec(LM(BigramTable(vocabulary=vocabulary, size=6)))
    assert codec.read("a b").ids == [0, 1]
    with pytest.raises(UsageError) as refused:
        codec.read("a\nb")
    assert str(refused.value) == "this model has no </s>, so its texts are one line; leave out the newline"


def test_a_pretrained_model_begins_with_a_token_of_its_own():
    model = BigramTable(
        vocabulary=Vocabulary.from_words(["<start>", "\n", "a", "b"], unk=None, bos=None, eos=1), size=6
    )
    model.first = 0
    codec = Codec(LM(model))
    assert (codec.mark_word, codec.end_word) == ("<start>", "\n")
    assert codec.read("<start> a\nb") == codec.check([0, 2, 1, 3])
