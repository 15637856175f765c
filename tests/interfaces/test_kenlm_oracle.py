"""The drop-in and KenLM's own module, asked the same questions: the answers are equal to the last bit."""

import gzip
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import nextword
import nextword.interfaces.kenlm as ours
from interfaces import kenlm_questions
from interfaces.clients import Client, client_python

GOLDEN = Path(__file__).parents[1] / "golden" / "kenlm"
BINARIES = sorted(file.name for file in GOLDEN.glob("*.bin"))
TEXT = [
    "the cat sat on the mat .", "the dog sat on the log .", "a cat saw the dog", "the naïve cat sat", "ёж и книга .",
    "the cat saw a dog on the mat", "日本 の 猫", "", "on the mat the cat sat .", "a dog saw the cat on the log .",
] * 2  # fmt: skip
WORDS = sorted({word for line in TEXT for word in line.split()})
KNOWN = [
    *WORDS, "a", "b", "c", "d", "e", "ee", "f", "g", "h", "in", "of", "they", "it", "日本", "日", "книга", "zébra", ",",
]  # fmt: skip
ODD = [
    "Unseen",
    "<unk>",
    "<UNK>",
    "</s>",
    "<s>",
    "\N{NO-BREAK SPACE}",
    "x\0y",
    "\0",
    "the\0",
    "\N{GRINNING FACE}",
    "\x1c",
]
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\v", "\f", " \t "]


def sentences():
    """Texts of known and unknown words between odd spaces."""
    parts = st.tuples(st.sampled_from([*KNOWN, *KNOWN, *ODD]), st.sampled_from([" ", " ", *SPACES]))
    return st.builds(
        lambda space, pairs: space + "".join(word + gap for word, gap in pairs),
        st.sampled_from(["", " ", "\n"]),
        st.lists(parts, max_size=12),
    )


@pytest.fixture(scope="module")
def kenlm():
    """KenLM's module, at the other end of a pipe."""
    client = Client(client_python("kenlm"), kenlm_questions.__file__)
    yield client
    client.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Pairs of paths: what we open, what KenLM opens."""
    folder = tmp_path_factory.mktemp("kenlm")
    corpus = nextword.Corpus.from_lines(TEXT)
    pairs = []
    for order, settings_of in (
        (2, {}),
        (3, {"prune": (0, 0, 1)}),
        (4, {"min_count": 3}),
        (5, {}),
        (6, {"prune": (0, 0, 1)}),
    ):
        lm = nextword.train(corpus, order=order, smoothing="witten-bell", **settings_of)
        arpa = folder / f"{order}.arpa"
        lm.save(folder / f"{order}")
        nextword.write_arpa(lm.model, arpa)
        pairs += [(folder / f"{order}", arpa), (arpa, arpa)]
    odd = folder / "model of no known kind"
    odd.write_bytes(gzip.compress(arpa.read_bytes()))
    without = folder / "without.arpa"
    lines = (folder / "3.arpa").read_text().splitlines(keepends=True)
    kept = [line for line in lines if "<unk>" not in line]
    assert len(kept) == len(lines) - 1
    count = f"ngram 1={len(WORDS) + 3}\n"
    assert count in kept
    without.write_text("".join(kept).replace(count, f"ngram 1={len(WORDS) + 2}\n"))
    pairs += [(odd, arpa), (without, without), (GOLDEN / "words.arpa", GOLDEN / "words.arpa")]
    return [(str(mine), str(other)) for mine, other in pairs]


def compare(kenlm, mine, other, ask, **question):
    """Ask both; JSON makes lists of tuples."""
    answer = kenlm_questions.QUESTIONS[ask](ours, mine, **question)
    assert json.loads(json.dumps(answer)) == kenlm.ask(ask=ask, path=other, **question)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentence=sentences(), bos=st.booleans(), eos=st.booleans())
def test_sentences(kenlm, models, sentence, bos, eos):
    for mine, other in models:
        compare(kenlm, mine, other, "full", sentence=sentence, bos=bos, eos=eos)


@settings(max_examples=60)
@given(words=st.lists(st.sampled_from([*KNOWN, *KNOWN, *ODD]), max_size=14), bos=st.booleans())
@example(words=["<s>"], bos=False)  # a log-probability of 0, which KenLM has as -0.0
def test_states(kenlm, models, words, bos):
    for mine, other in models:
        compare(kenlm, mine, other, "walk", words=words, bos=bos)


@pytest.mark.parametrize("name", BINARIES)
@settings(max_examples=25)
@given(
    sentence=sentences(),
    words=st.lists(st.sampled_from([*KNOWN, *ODD]), max_size=9),
    flags=st.tuples(*[st.booleans()] * 2),
)
def test_kenlms_own_files(kenlm, name, sentence, words, flags):
    path = str(GOLDEN / name)
    compare(kenlm, path, path, "full", sentence=sentence, bos=flags[0], eos=flags[1])
    compare(kenlm, path, path, "walk", words=words, bos=flags[0])


def test_long_sentences(kenlm, models):
    """Longer than a block of the compiled loop."""
    for length in (62, 63, 64, 65, 127, 128, 129, 500):
        sentence = " ".join((WORDS * 50)[i * 7 % len(WORDS)] for i in range(length))
        for mine, other in models[-3:]:
            compare(kenlm, mine, other, "full", sentence=sentence)


@pytest.mark.parametrize("name", ["yoruba.o3", "yoruba.o3.prune011", "yoruba.o3.nouni"])
def test_what_lmplz_wrote(kenlm, name, shared, tmp_path):
    plain = tmp_path / f"{name}.arpa"
    with gzip.open(shared(f"golden/kenlm/{name}.arpa.gz")) as packed, plain.open("wb") as out:
        shutil.copyfileobj(packed, out)
    model = ours.Model(plain)
    words = [model.vocabulary.word(i) for i in range(3, len(model.vocabulary), 7)]
    for i in range(0, 200, 5):
        sentence = " ".join([*words[i : i + 4], words[0], words[1], *words[3 * i : 3 * i + 3], "unseen"])
        compare(kenlm, str(plain), str(plain), "full", sentence=sentence)
        compare(kenlm, str(plain), str(plain), "walk", words=sentence.split(), bos=i % 2 == 0)


FAILURES = [
    "model.score(3)", "model.score(None)", "list(model.full_scores(['a']))", "model.perplexity(1.5)", "7 in model",
    "model.BaseScore(state, b'a', state)", "model.BaseFullScore(state, 3, state)", "model.score('\\ud800')",
    "kenlm.FullScoreReturn(-1.5, 2, False)", "kenlm.FullScoreReturn(-1.5, 2, True).oov", "repr(model)",
    "model.path == path.encode()", "model.__reduce__()[1]", "b'the' in model, 'the' in model",
    "kenlm.LoadMethod.LAZY, kenlm.LoadMethod.READ, kenlm.LoadMethod.PARALLEL_READ",
    "kenlm.LoadMethod.POPULATE_OR_LAZY, kenlm.LoadMethod.POPULATE_OR_READ",
    "kenlm.ARPALoadComplain.ALL, kenlm.ARPALoadComplain.EXPENSIVE, kenlm.ARPALoadComplain.NONE",
    "kenlm.Config().load_method, kenlm.Config().show_progress, kenlm.Config().arpa_complain",
    "model.score(b'the they'), model.score(sentence='the', eos=False)", "issubclass(kenlm.LanguageModel, kenlm.Model)",
    "kenlm.State() < kenlm.State(), kenlm.State() <= kenlm.State(), kenlm.State() == kenlm.State()",
    "next(model.full_scores('the'))", "__import__('pickle').loads(__import__('pickle').dumps(model)).score('the')",
]  # fmt: skip


@pytest.mark.parametrize("what", FAILURES)
def test_mistakes_and_small_things(kenlm, what):
    path = str(GOLDEN / "words.arpa")
    answer = kenlm_questions.failure(ours, path, what)
    assert answer == kenlm.ask(ask="failure", path=path, what=what)


@pytest.mark.parametrize("path", ["absent", "", str(GOLDEN), str(GOLDEN / "make.py"), str(GOLDEN / "scores.json")])
def test_paths_that_hold_no_model(kenlm, path):
    """The same exception, and the same beginning of its words."""
    question = {"path": "", "what": f"kenlm.Model({path!r})"}
    (kind, message), (theirs, words) = (
        kenlm_questions.failure(ours, **question)["error"], kenlm.ask(ask="failure", **question)["error"],
    )  # fmt: skip
    assert kind == theirs == "OSError"
    start = f"Cannot read model '{path}' ("
    assert message.startswith(start) and words.startswith(start)
