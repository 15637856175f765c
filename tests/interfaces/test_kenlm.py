"""The drop-in for KenLM's module, against a slow twin, against scores that KenLM gave, and against damage."""

import copy
import json
import math
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword
import nextword.interfaces.kenlm as kenlm

GOLDEN = Path(__file__).parents[1] / "golden" / "kenlm"
BINARIES = sorted(file.name for file in GOLDEN.glob("*.bin"))
EXACT = ["words.arpa", *(name for name in BINARIES if "-q" not in name and name != "pairs.bin")]
WORDS = [
    "a", "b", "c", "d", "e", "ee", "f", "g", "h", "in", "of", "the", "they", "it", "naïve", "日本", "日", "книга", "ёж",
    "zébra", ".", ",", "unseen", "<unk>", "<s>", "</s>",
]  # fmt: skip
TEXT = ["the cat sat on the mat", "the dog sat on the log", "a cat saw the dog", ""] * 3


class Twin:
    """A back-off model read from an ARPA file the slow way: dictionaries, and KenLM's rules for states."""

    def __init__(self, path):
        self.prob, self.backoff, order = {}, {}, 0
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.fullmatch(r"\\\d-grams:", line):
                order = int(line[1])
            elif order and "\t" in line:
                prob, words, *weight = line.split("\t")
                self.prob[tuple(words.split())] = float(prob)
                self.backoff[tuple(words.split())] = float(weight[0]) if weight else 0.0
        self.order = order
        for words in sorted(self.prob, key=len, reverse=True):  # n-grams whose suffix is missing: KenLM puts it in
            for k in range(1, len(words)):
                self.prob.setdefault(words[k:], None)
        for words in sorted((w for w, prob in self.prob.items() if prob is None), key=len):
            self.prob[words] = self.backoff.get(words[:-1], 0.0) + self.prob[words[1:]]
        self.contexts = {words[:-1] for words in self.prob}

    def known(self, word):
        return word if (word,) in self.prob else "<unk>"

    def score(self, state, word):
        """log10 probability, words of the longest n-gram found, the state after."""
        history = (*state, self.known(word))[-self.order :]
        found = next(k for k in range(len(history), 0, -1) if history[-k:] in self.prob)
        total = self.prob[history[-found:]]
        for k in range(found, len(history)):
            total += self.backoff.get(history[-1 - k : -1], 0.0)
        keep = min(found, self.order - 1)
        while keep and history[-keep:] not in self.contexts and not self.backoff.get(history[-keep:], 0.0):
            keep -= 1
        return total, found, history[len(history) - keep :]


@pytest.fixture(scope="module")
def twin():
    return Twin(GOLDEN / "words.arpa")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Directories 1, 3 and 8 by order, q quantised, s of stupid back-off."""
    folder = tmp_path_factory.mktemp("models")
    corpus = nextword.Corpus.from_lines(TEXT)
    for order in (1, 3, 8):
        nextword.train(corpus, order=order, smoothing="witten-bell").save(folder / f"{order}")
    nextword.train(corpus, order=3, smoothing="stupid-backoff").save(folder / "s")
    return folder


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=60)
@given(words=st.lists(st.sampled_from(WORDS), max_size=12), bos=st.booleans())
def test_word_by_word_as_the_twin_does(twin, name, words, bos):
    model, state, other, total = kenlm.Model(GOLDEN / name), kenlm.State(), ("<s>",) if bos else (), 0.0
    (model.BeginSentenceWrite if bos else model.NullContextWrite)(state)
    states = {state: other}
    for word in words:
        expected, length, other = twin.score(other, word)
        found = model.BaseFullScore(state, word, state)  # one state for both, which KenLM's own does not allow
        assert (found.log_prob, found.ngram_length) == (pytest.approx(expected, abs=1e-5), length)
        assert found.oov == (word in ("unseen", "<unk>"))
        assert states.setdefault(copy.copy(state), other) == other and len(set(states.values())) == len(states)
        total += expected
    assert model.score(" ".join(words), bos, eos=False) == pytest.approx(total, abs=1e-4)
    total += twin.score(other, "</s>")[0]
    assert model.score(" ".join(words), bos) == pytest.approx(total, abs=1e-4)
    assert sum(prob for prob, _, _ in model.full_scores("\v".join(words), bos)) == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("name", [*BINARIES, "words.arpa"])
def test_scores_that_kenlm_gave(name):
    golden = json.loads((GOLDEN / "scores.json").read_text())
    model = kenlm.Model(str(GOLDEN / name))
    found = [[list(word) for word in model.full_scores(sentence)] for sentence in golden["sentences"]]
    assert found == golden["scores"][name]


@pytest.mark.parametrize("order", [1, 3, 8])
def test_directories_of_any_order(folder, order):
    model, lm = kenlm.Model(folder / f"{order}"), nextword.load(folder / f"{order}")
    assert model.order == order
    for sentence in ("", "the cat", "the dog saw the cat on the zebra mat", "cat " * 200):
        assert model.score(sentence) * math.log(10) == pytest.approx(lm.score(sentence + "\n"), rel=1e-4)
        assert model.perplexity(sentence) == pytest.approx(lm.perplexity(sentence + "\n"), rel=1e-3)


def test_quantised_models(folder, tmp_path):
    """Through ``score_stream``; sums in float64."""
    from nextword.ngram.compact.quantize import quantize

    lm = nextword.load(folder / "3")
    quantised = nextword.LM(quantize(lm.model, bits=8))
    quantised.save(tmp_path / "q")
    model, exact = kenlm.Model(tmp_path / "q"), kenlm.Model(folder / "3")
    for sentence in ("", "the cat", "the dog saw the cat on the zebra mat", "a </s> cat", "cat " * 200):
        found, expected = list(model.full_scores(sentence)), list(exact.full_scores(sentence))
        assert [word[1:] for word in found] == [word[1:] for word in expected]
        np.testing.assert_allclose([word[0] for word in found], [word[0] for word in expected], atol=0.02)
        assert model.score(sentence) == pytest.approx(sum(word[0] for word in found), rel=1e-5)
        assert model.scores([sentence], threads=2).tolist() == [pytest.approx(model.score(sentence), rel=1e-6)]
        state, total = kenlm.State(), 0.0
        model.BeginSentenceWrite(state)
        for word in [*sentence.split(), "</s>"]:
            total += model.BaseScore(state, word, state)
        assert total == pytest.approx(model.score(sentence), rel=1e-5)
    assert model.log_probs(state).tolist() == pytest.approx(exact.log_probs(kenlm.State()).tolist(), abs=0.02)
    assert model.score("the cat") * math.log(10) == pytest.approx(quantised.score("the cat"))
    assert ("cat" in model, "zebra" in model) == (True, False)


def test_next_words(folder):
    for model in map(
        kenlm.Model, (folder / "1", folder / "3", GOLDEN / "rest.bin", GOLDEN / "trie-qa.bin", GOLDEN / "words.arpa")
    ):
        for bos, words in (
            (True, []),
            (True, ["the"]),
            (False, ["a", "cat"]),
            (True, ["unseen", "the"]),
            (True, ["ee", "f"]),
        ):
            state, after = kenlm.State(), kenlm.State()
            if bos:
                model.BeginSentenceWrite(state)
            for word in words:
                model.BaseScore(state, word, state)
            found, vocabulary = model.log_probs(state), model.vocabulary
            expected = [model.BaseScore(state, word, after) for word in vocabulary]
            expected[vocabulary.bos] = -math.inf
            np.testing.assert_allclose(found, expected, atol=1e-5)
            best = model.next(state, k=3)
            assert [log10 for _, log10 in best] == sorted(found.tolist(), reverse=True)[:3]
            assert all(found[vocabulary[word]] == log10 for word, log10 in best)


@pytest.mark.parametrize("threads", [1, 3])
def test_many_sentences(folder, threads):
    for path in (folder / "3", GOLDEN / "probing.bin"):
        model = kenlm.Model(path)
        sentences = ["the cat", b"a dog\0 never read", "", "ee f\n g", "the " * 300] * 5
        found = model.scores(sentences, threads=threads)
        assert found.tolist() == [model.score(sentence) for sentence in sentences]
        assert model.scores([], threads=threads).tolist() == []


def test_models_are_pickled_by_their_path(folder):
    model = kenlm.LanguageModel(os.fsencode(folder / "3"))
    assert model.path == os.fsencode(folder / "3")
    assert repr(model) == "<Model from b'3'>"
    assert isinstance(model, kenlm.Model)
    for again in (pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)):
        assert again.path == model.path and again.score("the cat") == model.score("the cat")


def test_states_are_values():
    model, state, other = kenlm.Model(GOLDEN / "words.arpa"), kenlm.State(), kenlm.State()
    assert state == other and hash(state) == hash(other) and state <= other and state >= other
    model.BeginSentenceWrite(state)
    assert state != other and other < state and state > other and not state <= other
    for again in (copy.copy(state), copy.deepcopy(state), copy.deepcopy([state])[0], pickle.loads(pickle.dumps(state))):
        assert again == state and again is not state and {again: 1}[state] == 1
        model.NullContextWrite(again)
        assert again == other and state != other
    assert state != "state" and state.__lt__("state") is NotImplemented


def test_a_state_of_a_longer_model_is_read_as_far_as_it_can_be():
    long, short = kenlm.Model(GOLDEN / "words.arpa"), kenlm.Model(GOLDEN / "pairs.bin")
    state, after, expected = kenlm.State(), kenlm.State(), kenlm.State()
    long.BeginSentenceWrite(state)
    state._packed = b"\xff\xff\xff\xff" * 3 + bytes(12)
    assert short.BaseScore(state, "the", after) == pytest.approx(short.BaseScore(expected, "the", expected))


def test_how_a_file_is_brought_into_memory():
    config = kenlm.Config()
    assert (config.load_method, config.show_progress, config.arpa_complain) == (2, True, 0)
    scores = set()
    for config.load_method in range(5):
        scores.add(kenlm.Model(str(GOLDEN / "trie-a.bin"), config).score("the naïve 日本"))
    assert len(scores) == 1


def test_install():
    program = (
        "import nextword.interfaces.kenlm as ours; ours.install(); import kenlm; assert kenlm is ours;"
        "from kenlm import Model; assert Model is ours.Model"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_second_process_compiles_nothing():
    program = f"""
import nextword.interfaces.kenlm as kenlm
from nextword.interfaces.kenlm import compiled
for name in ("words.arpa", "probing.bin", "trie.bin"):
    kenlm.Model({str(GOLDEN)!r} + "/" + name).score("the")
steps = [compiled._step_ours, compiled._step_probing, compiled._step_trie]
scores = [compiled._score_ours, compiled._score_probing, compiled._score_trie]
print(sum(sum(function.stats.cache_misses.values()) for function in steps + scores))
"""
    for name in ("words.arpa", "probing.bin", "trie.bin"):
        kenlm.Model(GOLDEN / name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
