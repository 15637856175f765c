import math

import pytest

pytest.importorskip("sacrebleu")
pytest.importorskip("sklearn")

from nextword.errors import UsageError
from nextword.tasks.translate.score import corpus_bleu, evaluate


def test_bleu_by_hand():
    # 1- to 4-grams that match: 5 of 6, 3 of 5, 2 of 4, 1 of 3; as long as the reference, so no brevity penalty
    bleu = 100 * math.exp((math.log(5 / 6) + math.log(3 / 5) + math.log(2 / 4) + math.log(1 / 3)) / 4)
    assert corpus_bleu(["the cat sat on a mat"], ["the cat sat on the mat"]) == pytest.approx(bleu)


def test_short_translations_are_punished():
    scores = evaluate(["the cat sat on"], ["the cat sat on the mat"])
    assert scores.brevity_penalty == pytest.approx(math.exp(1 - 6 / 4))
    assert scores.bleu == pytest.approx(100 * math.exp(1 - 6 / 4))
    assert scores.bleu_signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_several_references_each_may_match():
    references = [["el gato duerme aquí ahora", "el gato está dormido"], ["un perro ve un pájaro"]]
    scores = evaluate(["el gato está dormido", "un perro ve un pájaro"], references)
    assert (scores.bleu, scores.chrf) == pytest.approx((100, 100))
    assert corpus_bleu(["el gato está dormido", "un perro ve un pájaro"], [one[0] for one in references]) < 70


def test_buckets_by_words_of_the_source():
    sources = ["one", "1 2 3 4 5", "1 2 3 4 5 6", " ".join("x" * 30)]
    right = "the cat sat on the mat"
    scores = evaluate([right, right, "a b c d", right], [right] * 4, sources)
    assert [(one.name, one.sentences) for one in scores.by_length] == [("1–5", 2), ("6–10", 1), ("16+", 1)]
    assert [one.bleu for one in scores.by_length] == pytest.approx([100, 0, 100], abs=1e-6)
    document = scores.to_json()
    assert [row["words"] for row in document["by_length"]] == ["1–5", "6–10", "16+"]
    assert document["sentences"] == 4


def test_unequal_numbers_are_refused():
    for arguments, message in (
        ((["a"], ["a", "b"]), "1 translations and 2 references: give as many of each"),
        ((["a"], ["a"], []), "1 translations and 0 sources: give as many of each"),
        (([], []), "there is no translation to score; give at least one"),
    ):
        with pytest.raises(UsageError) as error:
            evaluate(*arguments)
        assert str(error.value) == message
