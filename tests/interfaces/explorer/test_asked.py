"""How the page shows tokens."""

import pytest

pytest.importorskip("fastapi")

from nextword import Corpus, train  # noqa: E402
from nextword.interfaces.explorer.asked import shown  # noqa: E402
from nextword.interfaces.explorer.contexts import Contexts  # noqa: E402
from nextword.interfaces.explorer.words import StepsAsked, walked  # noqa: E402

LINES = ["un café noir", "un thé noir"] * 4


def test_pieces_made_of_bytes_are_shown_as_what_they_spell():
    show = shown(train(Corpus.from_lines(LINES), order=2, smoothing="witten-bell", tokenizer="bpe", bpe_size=270))
    assert [show(token) for token in ("Ġ", "Ġun", "cafÃ©", "Ã", "</s>")] == ["▁", "▁un", "café", r"bytes:\xc3", "</s>"]


def test_words_are_shown_as_they_are():
    show = shown(train(Corpus.from_lines([*LINES, "Ġ Ã© Māori"]), order=2, smoothing="witten-bell"))
    assert [show(token) for token in ("Ġ", "Ã©", "Māori", "</s>")] == ["Ġ", "Ã©", "Māori", "</s>"]


@pytest.mark.parametrize(
    ("tokenizer", "steps"),
    [
        ("whitespace", ["un"]),  # the word that is half typed is none yet
        ("char", ["u", "n", "▁", "n", "o", "i"]),
        ("bpe", ["un", "▁no", "i"]),
    ],
)
def test_what_is_half_typed_is_read_where_tokens_are_no_words(tokenizer, steps):
    lm = train(Corpus.from_lines(LINES), order=2, smoothing="witten-bell", tokenizer=tokenizer, bpe_size=262)
    for asked in (StepsAsked(text="un ", prefix="noi"), StepsAsked(text="un noi " if tokenizer == "bpe" else "un noi")):
        found = walked(lm, Contexts(lm.model), asked)
        wanted = ["un", "noi"] if tokenizer == "whitespace" and not asked.prefix else steps
        assert [step["token"] for step in found["steps"]] == wanted
