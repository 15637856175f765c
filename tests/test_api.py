"""A language model in a user's hands: text in, figures and text out, whatever the tokenizer."""

import math

import numpy as np
import pytest

import nextword
from nextword import LM, Corpus, Normalizer, Pipeline, Smoothing, store
from nextword.errors import EstimationError, StoreError, TextError, UsageError
from nextword.text.spelling import CharTokenizer
from toy import BOS, EOS, BigramTable, log_table

LINES = ["students opened their books", "students opened their laptops", "the students read", "they opened it"] * 3


def trained(**options):
    options = {"order": 3, "smoothing": "witten-bell"} | options
    return nextword.train(Corpus.from_lines(LINES), **options)


@pytest.fixture(scope="module")
def lm():
    return trained()


@pytest.fixture
def toy():
    """a after <s>, then b or the end, then the end."""
    rows = {BOS: {3: 1.0}, 3: {4: 0.75, EOS: 0.25}, 4: {EOS: 1.0}}
    return LM(BigramTable(log_table(rows, 5)))


def test_score_perplexity_and_surprisal_are_the_same_sum(lm):
    text = "students opened it\nthey read\n"
    found = lm.surprisal(text)
    assert [one.token for one in found] == ["students", "opened", "it", "</s>", "they", "read", "</s>"]
    bits = sum(one.bits for one in found)
    assert lm.score(text) == pytest.approx(-bits * math.log(2))
    assert lm.perplexity(text) == pytest.approx(2 ** (bits / 7))


def test_scores_by_hand(toy):
    assert toy.score("a b") == pytest.approx(math.log(0.75))
    assert toy.surprisal("a") == [("a", 0.0), ("</s>", 2.0)]
    assert toy.perplexity("a") == pytest.approx(2)
    assert toy.perplexity("b") == math.inf
    assert toy.score("b") == -math.inf


def test_text_may_lack_its_last_newline(lm):
    assert lm.score("they read") == lm.score("they read\n")
    assert lm.score("they read\n\n") < lm.score("they read\n")  # a blank line is a sentence


def test_the_empty_text_has_no_score(lm):
    with pytest.raises(TextError, match="^the text is empty"):
        lm.score("")


def test_evaluate_reads_files(lm, tmp_path):
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path, text in zip(paths, ("they read\n", "the books\n"), strict=True):
        path.write_text(text)
    found = lm.evaluate(paths)
    assert found.nats == pytest.approx(-lm.score("they read\nthe books\n"))
    assert lm.evaluate(str(paths[0])).perplexity == pytest.approx(lm.perplexity("they read"))
    assert lm.evaluate(Corpus(paths[0]), threads=1).tokens == 3


def test_next(lm):
    found = lm.next("students opened", k=3)
    assert found.words[0] == "their"
    assert len(found.words) == 3
    assert lm.next("the", prefix="st", k=1).words == ("students",)
    p = np.exp(lm.model.log_probs(lm.model.start(1))[0]).max()
    assert lm.next().probabilities[0] == pytest.approx(p)  # the beginning of a sentence


def test_steps_end_with_the_end_of_the_sentence(lm):
    steps = lm.steps("they read", k=2)
    assert [step.word for step in steps] == ["they", "read", "</s>"]
    assert sum(step.log_prob for step in steps) == pytest.approx(lm.score("they read"))


def test_generate_goes_on_from_the_prompt(toy):
    assert toy.generate("a b") == ["a b"]
    assert toy.generate("", temperature=0, samples=2) == ["a b", "a b"]
    assert toy.generate("", beam=2, samples=2) == ["a b", "a"]
    assert toy.generate("", temperature=0, max_tokens=5, stop=False) == ["a b\na b"]
    assert toy.generate("", temperature=0, max_tokens=4, stop=False) == ["a b\na"]
    assert toy.generate("a", max_tokens=0) == ["a"]


def test_an_unknown_word_of_the_prompt_is_kept_as_it_is(lm):
    (text,) = lm.generate("the zebras", seed=1)
    assert text.startswith("the zebras")
    assert "<unk>" not in text


@pytest.mark.parametrize("options", [{"top_k": 3}, {"seed": 1}, {"temperature": 0.5}, {"stop": False}])
def test_an_option_of_sampling_beside_a_beam_is_refused(lm, options):
    (name,) = options
    with pytest.raises(UsageError) as caught:
        lm.generate(beam=2, **options)
    expected = f"a beam search does not sample, so {name} has no effect; leave out either it or the beam"
    assert str(caught.value) == expected


def test_ids_and_text_are_inverse(lm):
    ids = lm.ids("students opened their books")
    assert lm.text(ids) == "students opened their books"
    assert lm.text([*ids, EOS, *ids[:1], EOS]) == "students opened their books\nstudents"
    assert lm.text([EOS, EOS]) == "\n"  # two blank lines
    assert lm.text([]) == ""


@pytest.mark.parametrize("call", ["next", "steps", "ids", "generate"])
def test_a_context_is_one_line(lm, call):
    with pytest.raises(TextError, match="^expected one line of text, got 'they read\\\\nthe books'; split it at its"):
        getattr(lm, call)("they read\nthe books")


@pytest.mark.parametrize("name", ["whitespace", "word", "char", "byte", "bpe"])
def test_every_tokenizer_survives_saving_and_writes_text_back(tmp_path, name):
    made = trained(tokenizer=name, bpe_size=300, normalizer=Normalizer("nfc", lowercase=True))
    made.save(tmp_path / "model")
    lm = nextword.load(tmp_path / "model")
    assert lm.pipeline.config() == made.pipeline.config()
    assert lm.score("Students opened it") == made.score("students opened it")
    assert lm.text(lm.ids("Students opened their books")) == "students opened their books"
    assert lm.generate("Students opened", seed=3)[0].startswith("students opened")
    assert lm.info["trained_on"] == made.info["trained_on"]


def test_what_a_model_was_trained_on_and_how_is_kept(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES))
    nextword.train(path, order=2, smoothing="witten-bell", min_count=2, prune=[0, 1]).save(tmp_path / "model")
    info = nextword.load(tmp_path / "model").info
    (source,) = info["trained_on"]
    assert (source["path"], source["bytes"]) == (str(path), path.stat().st_size)
    assert info["settings"] == {"prune": [0, 1], "min_count": 2}


def test_the_corpus_of_a_tokenizer_that_learns_is_read_twice(tmp_path):
    with pytest.raises(UsageError, match="^<memory> can be read only once, and is needed a second time"):
        nextword.train(Corpus.from_lines(iter(LINES)), tokenizer="bpe", bpe_size=300)


def test_blocks_and_stages_can_be_watched():
    corpus, seen, stages = Corpus.from_lines(LINES), [], []
    lm = nextword.train(
        corpus,
        blocks=(seen.append(block) or block for block in corpus),
        order=2,
        smoothing="mle",
        progress=stages.append,
    )
    assert sum(block.text.count(b"\n") for block in seen) == len(LINES)
    assert stages == ["reading", "counting", "estimating"]
    assert lm.info["trained_on"][0]["path"] == "<memory>"


def test_held_out_text_is_read_as_files_are(tmp_path):
    path = tmp_path / "valid.txt"
    path.write_text("students opened it\n")
    assert trained(smoothing="jelinek-mercer", valid=path).model.details["weights"]


def test_a_scorer_scores_and_does_no_more():
    lm = trained(smoothing="stupid-backoff")
    assert lm.score("students opened their books") < 0
    refusal = (
        "^a stupid-backoff model gives scores, no probabilities of the next token, so it cannot predict or write; "
    )
    for call in (lm.next, lm.steps, lm.generate):
        with pytest.raises(UsageError, match=refusal):
            call("students")
    with pytest.raises(UsageError, match="^this model has no perplexity: its scores do not sum to 1"):
        lm.perplexity("students")
    with pytest.raises(UsageError, match="^surprisal is of a probability, and this model's scores are none"):
        lm.surprisal("students")


def test_a_directory_that_is_no_model(tmp_path):
    with pytest.raises(StoreError, match="there is no such directory"):
        nextword.load(tmp_path / "nothing")
    with pytest.raises(StoreError):
        nextword.load(tmp_path)


def test_a_text_pipeline_that_is_none_is_a_store_error(tmp_path):
    class Cuneiform(Pipeline):
        def config(self):
            return super().config() | {"tokenizer": {"name": "cuneiform"}}

    store.save(tmp_path / "model", trained().model, text=Cuneiform())
    with pytest.raises(StoreError) as caught:
        nextword.load(tmp_path / "model")
    assert str(caught.value) == (
        f"{tmp_path}/model: its text pipeline cannot be used: a tokenizer is stored as one of the names whitespace, "
        "word, char, byte, bpe, file, sentencepiece; not as {'name': 'cuneiform'}"
    )


def test_errors_of_training():
    kinds = "ngram, window, rnn, gru, lstm, transformer"
    with pytest.raises(UsageError, match=f"^unknown kind of model 'forest'; choose one of {kinds}$"):
        trained(kind="forest")
    with pytest.raises(UsageError, match="^unknown smoothing 'kn'; choose one of mle, add"):
        trained(smoothing="kn")
    with pytest.raises(UsageError, match="^unknown tokenizer 'bites'; expected whitespace"):
        trained(tokenizer="bites")
    with pytest.raises(EstimationError, match="^the training text is empty; give a file with at least one line$"):
        nextword.train(Corpus.from_text(""))
    with pytest.raises(TextError, match="there is no such file"):
        nextword.train("nothing.txt")
    with pytest.raises(TypeError):
        trained(ordre=3)


def test_a_model_and_a_pipeline_can_be_put_together():
    lm = LM(BigramTable(), Pipeline(tokenizer=CharTokenizer()))
    assert lm.ids("a b").tolist() == [3, 0, 4]
    assert lm.info == {}
    assert repr(LM(trained().model)) == "LM(BackoffModel(order=3, 12 words, 39 n-grams))"


def test_smoothing_has_settings():
    assert trained(smoothing=Smoothing("absolute", discount=0.25)).model.details["discounts"][0] == [0.25]
