"""Keystrokes against a keyboard simulated with ``next_tokens``, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.keystrokes import Keystrokes, keystrokes
from nextword.tasks.next import most_likely
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.text.vocabulary import SPECIALS, Vocabulary
from strategies import corpus, sentences
from toy import BOS, EOS, BigramTable, DecayingVotes, log_table

WORDS = ("a", "ab", "abc", "b", "bé", "bèc", "<unk>", "zz")


def simulated(lm, lines, suggestions):
    """Press keys one by one, and look at the screen after each."""
    pressed = without = 0
    state = lm.start(1)
    for line in lines:
        for word in [*line, None]:
            i = lm.vocabulary.eos if word is None else lm.vocabulary[word]
            if word is not None:
                shown = i != lm.vocabulary.unk
                pressed += type_word(lm, state, word, suggestions if shown else 0)
                without += len(word) + 1
            state = lm.advance(state, np.array([[i]], dtype=np.int32))
    return Keystrokes(pressed, without)


def type_word(lm, state, word, suggestions):
    log_probs = lm.log_probs(state)[0].astype(np.float64)
    for typed in range(len(word)):
        if suggestions and word in most_likely(log_probs, lm.vocabulary, k=suggestions, prefix=word[:typed]).words:
            return typed + 1  # and the key that chooses it
    return len(word) + 1  # and a space


@settings(max_examples=60)
@given(
    train=sentences(words=WORDS[:-1]),
    lines=sentences(words=WORDS).filter(lambda lines: any(lines)),
    order=st.integers(1, 3),
    suggestions=st.integers(1, 4),
)
def test_equals_a_simulated_keyboard(train, lines, order, suggestions):
    lm = train_ngram(corpus(train), order=order, smoothing=Smoothing("witten-bell"))
    found = keystrokes(lm, corpus(lines), suggestions=suggestions)
    assert found == simulated(lm, lines, suggestions)


def test_equals_a_simulated_keyboard_where_words_are_impossible():
    train = [["a", "ab"], ["abc", "b"], ["bé"]]
    lines = [["b", "ab", "a"], ["abc", "bé", "zz"], ["a", "ab"]]
    lm = train_ngram(corpus(train), order=2, smoothing="mle")
    for suggestions in (1, 2, 5):
        assert keystrokes(lm, corpus(lines), suggestions=suggestions) == simulated(lm, lines, suggestions)


def test_a_stream_model_reads_on(tmp_path):
    lines = [["a", "b"], ["c"], ["c", "a", "b"]] * 5
    lm, path = DecayingVotes(seed=3), tmp_path / "text.txt"
    path.write_text("".join(f"{' '.join(line)}\n" for line in lines))
    expected = simulated(lm, lines, 1)
    assert keystrokes(lm, Corpus(path, block_size=5), suggestions=1) == expected


def test_by_hand():
    """“their” (1/2), “the” (1/4), “them” (1/4, a later id) are typed with one suggestion.

    their: shown at once, 1 key for 6. the: shown at no prefix, since “their” is likelier: 3 letters and a space.
    them: nothing else begins with it, but it is whole then: 4 letters and a space. né is unknown: 2 letters, a space.
    """
    vocabulary = Vocabulary.from_words([*SPECIALS, "the", "their", "them"])
    row = {3: 1 / 4, 4: 1 / 2, 5: 1 / 4}
    lm = BigramTable(log_table({BOS: row, 0: row, 3: row, 4: row, 5: row}, 6), vocabulary)
    found = keystrokes(lm, Corpus.from_lines(["their the them né"]), suggestions=1)
    assert found == (1 + 4 + 5 + 3, 6 + 4 + 5 + 3)
    assert found.saved == pytest.approx(1 - 13 / 18)
    two = keystrokes(lm, Corpus.from_lines(["their the them né"]), suggestions=2)
    assert two == (1 + 1 + 5 + 3, 18)  # now “the” is shown at once, “them” still never


def test_the_end_of_a_sentence_is_no_keystroke():
    lm = BigramTable(log_table({BOS: {3: 1.0}, 3: {EOS: 1.0}}, 4))
    assert keystrokes(lm, Corpus.from_text("a\n\na\n"), suggestions=1) == (2, 4)


@pytest.mark.parametrize("name", ["char", "byte", "bpe"])
def test_models_of_anything_but_words_are_refused(name):
    text = Corpus.from_text("a b\n")
    pipeline = Pipeline(tokenizer=make_tokenizer(name, corpus=text, vocab_size=256))
    with pytest.raises(UsageError) as caught:
        keystrokes(BigramTable(), text, pipeline=pipeline)
    assert str(caught.value) == (
        f"keystrokes are counted for models of words, and this one's tokens are those of the {name} tokenizer; "
        "train one with --tokenizer word or whitespace"
    )


def test_what_cannot_be_typed_is_refused():
    lm, text = BigramTable(), Corpus.from_text("\n\n")
    with pytest.raises(UsageError, match="^0 suggestions: a keyboard shows 1 or more$"):
        keystrokes(lm, text, suggestions=0)
    with pytest.raises(UsageError, match="^the text holds no words to type; give a file with at least one$"):
        keystrokes(lm, text)
    scorer = train_ngram(corpus([["a"]]), order=1, smoothing="stupid-backoff")
    with pytest.raises(UsageError, match="^this model gives scores, no probabilities of the next word; use a language"):
        keystrokes(scorer, Corpus.from_text("a\n"))
