"""Tokenizers: canonical lines and tokens agree, come back, and never break the encoder's rules."""

import pickle
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from nextword.errors import TextError, UsageError
from nextword.text.bpe import PieceTokenizer, train_bpe
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.spelling import ByteTokenizer, CharTokenizer, byte_alphabet
from nextword.text.tokenize import LONG_LINE, WhitespaceTokenizer, make_tokenizer, tokenizer_from_config
from nextword.text.words import WordTokenizer

PROSE = ["students opened their books", "the students opened the door", "<s> <s> </s> <unk> né"] * 9
BPE = train_bpe(Corpus.from_lines(PROSE), vocab_size=300)
TOKENIZERS = [WhitespaceTokenizer(), WordTokenizer(), CharTokenizer(), ByteTokenizer(), BPE]
EXACT = TOKENIZERS[2:]
# Characters that tokenizers treat specially, beside all others but the newline.
characters = st.one_of(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"),
    st.sampled_from(" \t\r\0\x0b\x1c\x85\xa0\u2028▁Ġ<s>/unk'’.,-09aé\u0301\u200d\U0001f469ẹ"),
)
lines = st.text(characters, max_size=40)
every = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda tokenizer: tokenizer.name)
exact = pytest.mark.parametrize("tokenizer", EXACT, ids=lambda tokenizer: tokenizer.name)


def canonical_lines(tokenizer, text):
    """The tokens of each line of ``text``, by way of ``canonical``, as the encoder will split them."""
    rewritten = tokenizer.canonical(text.encode()).decode()
    return [[token for token in re.split("[\0\t\r ]+", line) if token] for line in rewritten.split("\n")]


@every
@given(st.lists(lines, max_size=4))
@example(["", " ", "  a  ", "▁", "\t\r\0", ""])
def test_canonical_lines_hold_the_tokens_of_each_line(tokenizer, some):
    text = "".join(line + "\n" for line in some)
    assert canonical_lines(tokenizer, text) == [*map(tokenizer.tokens, some), []]


@every
@given(lines)
def test_tokens_hold_no_delimiter(tokenizer, line):
    assert not any(set(token) & set("\0\t\n\r ") or not token for token in tokenizer.tokens(line))


@exact
@given(lines)
@example(" a")
@example("▁▁t ▁")
def test_detokenize_is_the_inverse(tokenizer, line):
    tokens = tokenizer.tokens(line)
    assert tokenizer.detokenize(tokens) == line
    assert not {"<s>", "</s>", "<unk>"} & set(tokens)


@exact
@given(lines)
def test_single_spaces_stand_between_tokens(tokenizer, line):
    assert tokenizer.canonical(f"{line}\n".encode()) == f"{' '.join(tokenizer.tokens(line))}\n".encode()


@every
def test_a_last_line_without_a_newline_stays_so(tokenizer):
    assert tokenizer.canonical(b"a\nb") == b"a\nb"
    assert tokenizer.canonical(b"") == b""
    assert tokenizer.tokens("") == []
    assert tokenizer.detokenize([]) == ""


@every
def test_tokens_takes_one_line(tokenizer):
    with pytest.raises(TextError) as caught:
        tokenizer.tokens("a" * 39 + "\nb")
    expected = repr("a" * 39 + "\n…")
    assert str(caught.value) == f"expected one line of text, got {expected}; split it at its newlines first"
    with pytest.raises(TextError) as caught:
        tokenizer.tokens("a\ud800")
    assert str(caught.value) == r"'a\ud800': U+D800 is half of a surrogate pair and no character; replace it"


@every
def test_config_round_trip(tokenizer):
    for again in (
        tokenizer_from_config(tokenizer.config(), tokenizer.payloads()),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert (again.name, again.config(), again.payloads()) == (
            tokenizer.name,
            tokenizer.config(),
            tokenizer.payloads(),
        )
        assert again.tokens("the students' books") == tokenizer.tokens("the students' books")


def test_whitespace_is_kenlms_and_costs_nothing():
    text = b"a\tb  c\0d\x0b\r\n"
    assert WhitespaceTokenizer().canonical(text) is text
    assert WhitespaceTokenizer().tokens("a\tb  c\0d\x0b\xa0e\r") == ["a", "b", "c", "d\x0b\xa0e"]
    assert WhitespaceTokenizer().detokenize(["a", "b"]) == "a b"


class TestWord:
    @pytest.mark.parametrize(
        ("line", "tokens"),
        [
            ("Don't stop, “Ann’s” said.", ["Don't", "stop", ",", "“", "Ann’s", "”", "said", "."]),
            ("'tis rock 'n' roll'", ["'", "tis", "rock", "'", "n", "'", "roll", "'"]),
            ("well-known 3.14 1,000, p.1", ["well", "-", "known", "3.14", "1,000", ",", "p", ".", "1"]),
            ("nà á\u0323 ẹ\u0301kọ\u0301", ["nà", "á\u0323", "ẹ\u0301kọ\u0301"]),  # marks belong to words
            ("हिन्दी में", ["हिन्दी", "में"]),
            ("می\u200cخواهم", ["می\u200cخواهم"]),
            ("👩\u200d👧❤\ufe0f", ["👩\u200d", "👧", "❤\ufe0f"]),
            ("a<unk>b <s>", ["a", "<unk>", "b", "<", "s", ">"]),
            ("a\xa0b\x0bc\0d", ["a", "b", "c", "d"]),
        ],
    )
    def test_tokens(self, line, tokens):
        assert WordTokenizer().tokens(line) == tokens

    @pytest.mark.parametrize(
        "line",
        ["Don't stop, Ann's books (all 3.50) are well-known!", 'She said: "no, thanks" to "us".', "“Yes”: and/or…"],
    )
    def test_detokenize_is_readable(self, line):
        assert WordTokenizer().detokenize(WordTokenizer().tokens(line)) == line


class TestSpelling:
    def test_characters_that_would_not_survive(self):
        line = "a ▁\t\r\0é"
        assert CharTokenizer().tokens(line) == ["a", "▁", "▁▁", "▁t", "▁r", "▁0", "é"]
        assert CharTokenizer().canonical(f" {line}\n\n".encode()).decode() == "▁ a ▁ ▁▁ ▁t ▁r ▁0 é\n\n"

    def test_gpt2s_alphabet(self):
        alphabet = byte_alphabet()
        assert len(set(alphabet)) == 256
        assert [alphabet[byte] for byte in b"\0\n\r !~\x7f\xa1\xad\xff"] == list("ĀĊčĠ!~ġ¡Ńÿ")
        assert ByteTokenizer().canonical(" é\n".encode()).decode() == "Ġ Ã ©\n"

    def test_bytes_that_are_no_text_and_tokens_that_are_no_bytes(self):
        assert ByteTokenizer().detokenize(["a", "Ã"]) == "a\ufffd"
        assert ByteTokenizer().detokenize(["a", "<unk>"]) == "a<unk>"
        assert CharTokenizer().detokenize(["a", "<unk>"]) == "a<unk>"


class TestBpe:
    def test_frequent_words_become_pieces_and_training_is_repeatable(self):
        assert BPE.tokens("the students") == ["the", "Ġstudents"]
        assert train_bpe(Corpus.from_lines(PROSE), vocab_size=300).payloads() == BPE.payloads()

    def test_it_learns_from_normalised_text(self):
        upper = train_bpe(Corpus.from_lines(["BOOKS"] * 9), vocab_size=300, normalizer=Normalizer(lowercase=True))
        assert upper.tokens("books") == ["books"]

    @given(lines)
    @example("a  b \t c\x1c!\x1c  \u3000d ")
    def test_chunks_give_what_whole_lines_give(self, line):
        whole = Tokenizer.from_str(BPE.payloads()["tokenizer.json"].decode()).encode(line, add_special_tokens=False)
        assert BPE.tokens(line) == whole.tokens

    @pytest.mark.parametrize("tokenizer", [BPE, WordTokenizer()], ids=["bpe", "word"])
    def test_very_long_lines(self, tokenizer):
        line = "the students " * (LONG_LINE // 10) + "ab" * LONG_LINE
        short = tokenizer.tokens("the students the")
        assert tokenizer.tokens(line)[:3] == short
        assert canonical_lines(tokenizer, line) == [tokenizer.tokens(line)]
        assert tokenizer.detokenize(tokenizer.tokens(line)) == line

    def test_a_vocabulary_without_room_for_the_bytes(self):
        with pytest.raises(UsageError) as caught:
            train_bpe(Corpus.from_lines(PROSE), vocab_size=255)
        assert str(caught.value) == "a byte-level BPE vocabulary holds the 256 bytes at least; vocab_size is 255"


class TestFile:
    @staticmethod
    def word_pieces(**pieces):
        vocabulary = {"[UNK]": 0, "stud": 1, "##ents": 2, "the": 3, "a b": 4, **pieces}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.decoder = decoders.WordPiece()
        tokenizer.enable_truncation(1)
        tokenizer.enable_padding(length=9)
        return tokenizer.to_str().encode()

    def test_pieces_of_a_file(self, tmp_path):
        path = tmp_path / "tokenizer.json"
        path.write_bytes(self.word_pieces())
        tokenizer = make_tokenizer(str(path))
        assert tokenizer.config() == {"name": "file"}
        assert tokenizer.tokens("the students") == ["the", "stud", "##ents"]
        assert tokenizer.canonical(b"the students\n\nthe\n") == b"the stud ##ents\n\nthe\n"
        assert tokenizer.detokenize(["the", "stud", "##ents"]) == "the students"

    def test_what_it_does_not_know_is_not_hidden(self):
        tokenizer = PieceTokenizer(self.word_pieces())
        assert tokenizer.tokens("the ☃ students books") == ["the", "☃", "stud", "##ents", "books"]

    def test_delimiters_in_pieces_are_shown(self):
        unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("a b", -1.0), ("c", -1.0)], 0))
        tokenizer = PieceTokenizer(unigram.to_str().encode())
        assert tokenizer.tokens("a bc\t") == ["a␠b", "c", "␉"]
        assert tokenizer.canonical(b"a bc\t\n").decode() == "a␠b c ␉\n"
        assert tokenizer.detokenize(["a␠b", "c", "␉"]) == "a b c \t"

    def test_pieces_that_would_look_the_same(self):
        with pytest.raises(UsageError) as caught:
            PieceTokenizer(self.word_pieces(**{"a␠b": 5}))
        assert str(caught.value) == (
            "two pieces of this tokenizer.json differ only in how a space is shown; take another"
        )

    @pytest.mark.parametrize(
        "data", [b"", b"{}", b"[]", b"\xff", b"students opened", b'{"version": "1.0", "model": {}}']
    )
    def test_a_file_that_is_no_tokenizer(self, tmp_path, data):
        path = tmp_path / "t.json"
        path.write_bytes(data)
        with pytest.raises(UsageError) as caught:
            make_tokenizer(str(path))
        begin = f"{path}: this is no tokenizer.json that the tokenizers library can read ("
        assert str(caught.value).startswith(begin)


class TestNames:
    @pytest.mark.parametrize("name", ["whitespace", "word", "char", "byte"])
    def test_known(self, name):
        assert make_tokenizer(name).name == name

    def test_bpe_needs_a_corpus(self):
        assert make_tokenizer("bpe", corpus=Corpus.from_lines(PROSE), vocab_size=300).payloads() == BPE.payloads()
        with pytest.raises(UsageError) as caught:
            make_tokenizer("bpe")
        assert str(caught.value) == "bpe is learnt from text, and there is none here; give a tokenizer.json file"

    @pytest.mark.parametrize(
        ("name", "hint"),
        [("wrod", "; did you mean word?"), ("no/such.json", "; there is no such file"), ("spaCy", ""), ("", "")],
    )
    def test_unknown(self, name, hint):
        with pytest.raises(UsageError) as caught:
            make_tokenizer(name)
        known = "expected whitespace, word, char, byte, bpe, or a file: tokenizer.json, or a SentencePiece .model"
        assert str(caught.value) == f"unknown tokenizer {name!r}; {known}{hint}"

    @pytest.mark.parametrize(
        "config", [{}, {"name": "words"}, {"name": "word", "lower": True}, None, {"name": ["word"]}]
    )
    def test_unknown_config(self, config):
        with pytest.raises(UsageError) as caught:
            tokenizer_from_config(config, {})
        names = "whitespace, word, char, byte, bpe, file, sentencepiece"
        assert str(caught.value) == f"a tokenizer is stored as one of the names {names}; not as {config}"

    def test_a_missing_payload(self):
        with pytest.raises(UsageError) as caught:
            tokenizer_from_config({"name": "bpe"}, {})
        assert str(caught.value) == "the tokenizer's tokenizer.json is missing; copy or train the model again"
