"""Word probabilities against brute force: a model of pieces so small that all words can be written out."""

import itertools

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from nextword.errors import UsageError
from nextword.ngram.train import train_ngram
from nextword.tasks.evaluate import LN2
from nextword.tasks.surprisal import surprisals
from nextword.tasks.words import word_ends, word_surprisals
from nextword.text.bpe import PieceTokenizer, train_bpe
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import ByteTokenizer, CharTokenizer
from nextword.text.tokenize import Tokenizer, WhitespaceTokenizer
from nextword.text.vocabulary import SPECIALS, Vocabulary
from toy import BigramTable, DecayingVotes, random_table

WORDS = ["a", "b", "Ġa", "Ġb"]  # a word is a piece with its blank, then any number of pieces without
EOS = 2


class Pieces(Tokenizer):
    """One character a piece, a blank with the character after it, as in byte-level BPE."""

    name = "pieces"

    def __init__(self, *, marks_first: bool = False):
        self.marks_first = marks_first

    def canonical(self, text: bytes) -> bytes:
        return "\n".join(" ".join(self.tokens(line)) for line in text.decode().split("\n")).encode()

    def tokens(self, text: str) -> list[str]:
        line = (" " if self.marks_first and text else "") + text
        return [("Ġ" if i and line[i - 1] == " " else "") + c for i, c in enumerate(line) if c != " "]

    def detokenize(self, tokens) -> str:
        return "".join(tokens).replace("Ġ", " ")

    def begins_word(self, token: str) -> bool:
        return token.startswith("Ġ")


def model():
    """After a, letters without a blank are likely; after b, words mostly end."""
    start, a, b = [0.1, 0.3, 0.2, 0.2, 0.2], [0.2, 0.3, 0.2, 0.2, 0.1], [0.2, 0.05, 0.05, 0.4, 0.3]
    table = np.zeros((7, 7))
    table[:, EOS:] = [start, start, start, a, b, a, b]
    with np.errstate(divide="ignore"):
        return BigramTable(np.log(table), Vocabulary.from_words([*SPECIALS, *WORDS]))


def word_probabilities(lm, tokenizer, context: str, longest: int, *, correction: bool):
    """Of the words of up to ``longest`` letters after ``context`` and of the line's end there, each from a text."""
    place = len(context.split())
    found = {}
    for n in range(1, longest + 1):
        for letters in itertools.product("ab", repeat=n):
            word = "".join(letters)
            text = f"{context} {word}".strip()
            (line,) = word_surprisals(
                lm, Corpus.from_text(text), pipeline=Pipeline(tokenizer=tokenizer), correction=correction
            )
            assert line.words[place] == word
            found[word] = 2.0 ** -line.surprisal[place]
    (line,) = word_surprisals(
        lm, Corpus.from_text(context + "\n"), pipeline=Pipeline(tokenizer=tokenizer), correction=correction
    )
    return found, 2.0 ** -line.surprisal[place]


@pytest.mark.parametrize("marks_first", [False, True])
@pytest.mark.parametrize("context", ["", "b", "ab a"])
class TestBruteForce:
    LONGEST = 7

    def test_with_the_correction_words_and_the_end_sum_to_one(self, context, marks_first):
        lm = model()
        found, end = word_probabilities(lm, Pieces(marks_first=marks_first), context, self.LONGEST, correction=True)
        step = np.exp(lm.table[3:5, 3:5])  # what is left for longer words falls with its largest eigenvalue, 0.34
        longer = np.linalg.matrix_power(step, self.LONGEST - 1).sum(axis=1).max()
        assert 1 - 2 * longer < sum(found.values()) + end < 1 + 1e-9
        assert longer < 3e-3

    def test_without_it_they_do_not(self, context, marks_first):
        found, end = word_probabilities(
            model(), Pieces(marks_first=marks_first), context, self.LONGEST, correction=False
        )
        assert abs(sum(found.values()) + end - 1) > 0.05

    def test_a_word_is_what_ends_there(self, context, marks_first):
        """By the definition of a conditional probability: p(context w and its end) / p(context and its end)."""
        lm, tokenizer = model(), Pieces(marks_first=marks_first)
        found, _ = word_probabilities(lm, tokenizer, context, 2, correction=True)
        for word in ("a", "ba"):
            whole = ended(lm, tokenizer, f"{context} {word}".strip())
            expected = whole / (ended(lm, tokenizer, context) if context else begun(lm, marks_first))
            assert found[word] == pytest.approx(expected, rel=1e-9)


def ended(lm, tokenizer, text: str) -> float:
    """Probability that a text goes as ``text`` and then has a blank or ends."""
    ids = lm.vocabulary.ids(tokenizer.tokens(text))
    scores, state = lm.token_log_probs(ids[None])
    return np.exp(scores.sum()) * np.exp(lm.log_probs(state)[0, [EOS, 5, 6]]).sum()


def begun(lm, marks_first: bool) -> float:
    """Probability that a text begins as the tokenizer begins texts, or is empty."""
    return np.exp(lm.log_probs(lm.start(1))[0, [EOS, *((5, 6) if marks_first else (3, 4))]]).sum()


LINES = "to be or  not\n\n that  is \nthe question, \n"


@pytest.mark.parametrize("correction", [False, True])
@pytest.mark.parametrize("make", ["char", "byte", "bpe", "whitespace"])
def test_all_tokenizers(make, correction):
    corpus = Corpus.from_text(LINES * 3)
    tokenizer = {"char": CharTokenizer, "byte": ByteTokenizer, "bpe": lambda: train_bpe(corpus, vocab_size=270)}
    pipeline = Pipeline(tokenizer=tokenizer[make]() if make in tokenizer else None)
    lm = train_ngram(corpus, order=3, smoothing="witten-bell", pipeline=pipeline)
    lines = list(word_surprisals(lm, Corpus.from_text(LINES), pipeline=pipeline, correction=correction))
    assert [line.words for line in lines] == [[*line.split(), "</s>"] for line in LINES.splitlines()]
    tokens = list(surprisals(lm, Corpus.from_text(LINES), pipeline=pipeline))
    assert [line.tokens.sum() for line in lines] == [len(line.tokens) for line in tokens]
    for line, pieces in zip(lines, tokens, strict=True):
        begins = 0.0
        if correction and make != "whitespace":  # what the sum lacks is the price of beginning as lines begin
            ends = word_ends(lm.vocabulary, pipeline.tokenizer)
            start = np.exp(lm.log_probs(lm.start(1))[0])
            begins = np.log2(start[ends.first if ends.first[pieces.ids[0]] else ends.inside].sum())
        assert line.surprisal.sum() == pytest.approx(pieces.surprisal.sum() + begins, abs=1e-6)


def test_a_stream_model():
    """The state goes on from line to line: the second line's words are others' than the first's."""
    vocabulary = Vocabulary.from_words([*SPECIALS, *WORDS])
    lm = DecayingVotes(random_table(7, seed=3), vocabulary)
    first, second = word_surprisals(
        lm, Corpus.from_text("ab a\nab a\n"), pipeline=Pipeline(tokenizer=Pieces()), correction=True
    )
    ids = lm.vocabulary.ids(["a", "b", "Ġa", "</s>"])
    state, mass = lm.start(1), []
    scores, after = lm.token_log_probs(ids[None])
    for t in range(4):
        p = np.exp(lm.log_probs(state)[0])
        mass.append(p[[EOS, 0, 3, 4]].sum() if t == 0 else p[[EOS, 5, 6]].sum())
        state = lm.advance(state, ids[None, t : t + 1])
    expected = [
        -(scores[0, 0] + scores[0, 1] + np.log(mass[2] / mass[0])) / LN2,
        -(scores[0, 2] + np.log(mass[3] / mass[2])) / LN2,
        -(scores[0, 3] - np.log(mass[3])) / LN2,
    ]
    np.testing.assert_allclose(first.surprisal, expected, atol=1e-9)
    assert abs(second.surprisal - first.surprisal).max() > 1e-3


def test_an_unknown_piece_marks_its_word():
    corpus = Corpus.from_text("ab ba\n")
    lm = train_ngram(corpus, order=2, smoothing="witten-bell", pipeline=Pipeline(tokenizer=CharTokenizer()))
    (line,) = word_surprisals(lm, Corpus.from_text("ab bxa"), pipeline=Pipeline(tokenizer=CharTokenizer()))
    assert (line.words, line.oov.tolist()) == (["ab", "bxa", "</s>"], [False, True, False])


def pieces(model, *, pre=None, decoder=None):
    file = tokenizers.Tokenizer(model)
    if pre is not None:
        file.pre_tokenizer = pre
    if decoder is not None:
        file.decoder = decoder
    return PieceTokenizer(file.to_str().encode())


@pytest.mark.parametrize(
    ("tokenizer", "begin", "go_on"),
    [
        (
            pieces(models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("▁", -2.0), ("b", -1.0), ("<0x09>", -9.0)], 0)),
            ["▁a", "▁", "<0x09>"],
            ["b", "<unk>"],
        ),
        (pieces(models.BPE({"▁a": 0, "b": 1}, []), decoder=decoders.Metaspace()), ["▁a"], ["b"]),
        (pieces(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2})), ["a", "[UNK]"], ["##b"]),
        (pieces(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")), ["a", "[UNK]"], []),
        (
            pieces(models.BPE({"Ġa": 0, "b": 1, "ĉ": 2, "▁": 3}, []), pre=pre_tokenizers.ByteLevel()),
            ["Ġa", "ĉ"],
            ["b", "▁"],
        ),
        (CharTokenizer(), ["▁", "▁t", "▁r", "▁0"], ["▁▁", "a", "é"]),
        (ByteTokenizer(), ["Ġ", "ĉ", "č", "Ā"], ["a", "Ã", "ĊĊ"]),
        (WhitespaceTokenizer(), ["a", "▁"], []),
    ],
)
def test_which_tokens_begin_a_word(tokenizer, begin, go_on):
    assert [token for token in [*begin, *go_on] if tokenizer.begins_word(token)] == begin


def test_pieces_that_do_not_tell():
    tokenizer = pieces(models.BPE({"a": 0, "b": 1}, []), pre=pre_tokenizers.Whitespace())
    with pytest.raises(UsageError) as caught:
        next(iter(word_surprisals(model(), Corpus.from_text("a b"), pipeline=Pipeline(tokenizer=tokenizer))))
    assert str(caught.value) == (
        "the pieces of this tokenizer do not tell where a word begins; score tokens, not words"
    )
