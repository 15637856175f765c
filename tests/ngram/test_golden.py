"""KenLM's own output, number for number."""

import gzip

import numpy as np
import pytest

from conftest import shared
from nextword.interfaces.cli import run
from nextword.ngram.arpa import write_arpa
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.evaluate import evaluate
from nextword.text.corpus import Corpus

GOLDEN = "golden/kenlm"
YORUBA = "data/yoruba-globalvoices/yoglobalvoices.txt"
LOG10_TOLERANCE = 1e-5


def parse(path):
    """{n-gram: (log10 probability, log10 back-off)} of an ARPA file, and its header's counts."""
    ngrams, header = {}, []
    with (
        gzip.open(path, "rt", newline="\n", encoding="utf-8") if path.suffix == ".gz" else path.open(newline="\n")
    ) as file:
        for line in file:
            if line.startswith("ngram "):
                header.append(int(line.split("=")[1]))
            cells = line.rstrip("\n").split("\t")
            if len(cells) > 1:
                ngrams[cells[1]] = (float(cells[0]), float(cells[2]) if len(cells) > 2 else None)
    return ngrams, header


@pytest.mark.parametrize(
    ("reference", "text", "order", "settings"),
    [
        ("shakespeare.o5", f"{GOLDEN}/shakespeare.train.txt", 5, {}),
        ("yoruba.o3", YORUBA, 3, {}),
        ("yoruba.o3.prune011", YORUBA, 3, {"prune": [0, 1, 1]}),
        ("yoruba.o3.nouni", YORUBA, 3, {"interpolate_unigrams": False}),
        ("yoruba.o3.limited", YORUBA, 3, {"limit_vocab": f"{GOLDEN}/yoruba.vocab.txt"}),
    ],
)
def test_arpa_files_equal_lmplz(reference, text, order, settings, tmp_path):
    smoothing = Smoothing(like_lmplz=True, interpolate_unigrams=settings.pop("interpolate_unigrams", True))
    if "limit_vocab" in settings:
        settings = {"limit_vocab": shared(settings["limit_vocab"]).read_text(encoding="utf-8").split()}
    model = train_ngram(Corpus(shared(text)), order=order, smoothing=smoothing, **settings)
    write_arpa(model, tmp_path / "ours.arpa")
    ours, our_header = parse(tmp_path / "ours.arpa")
    theirs, their_header = parse(shared(f"{GOLDEN}/{reference}.arpa.gz"))
    assert our_header == their_header == model.counts()
    assert ours.keys() == theirs.keys()
    for column in (0, 1):
        pairs = [(ours[ngram][column], theirs[ngram][column]) for ngram in theirs]
        assert all((a is None) == (b is None) for a, b in pairs)
        numbers = np.array([pair for pair in pairs if pair[0] is not None])
        assert np.abs(numbers[:, 0] - numbers[:, 1]).max() <= LOG10_TOLERANCE


def test_scores_equal_query():
    """Every token of the held-out text within 1e-5, and KenLM's own summary of it."""
    model = train_ngram(Corpus(shared(f"{GOLDEN}/shakespeare.train.txt")), smoothing=Smoothing(like_lmplz=True))
    text = shared(f"{GOLDEN}/shakespeare.test.txt")
    ids = model.vocabulary.encode(text.read_bytes()).ids
    assert np.abs(model.stream_log_probs(ids) / np.log(10) - query_scores()).max() <= LOG10_TOLERANCE
    found = evaluate(model, Corpus(text))
    assert (found.tokens, found.oov) == (21893, 2125)
    assert found.perplexity == pytest.approx(502.95932, abs=1e-3)
    assert found.perplexity_excluding_oov == pytest.approx(249.20722, abs=1e-3)


def test_the_textbook_discounts_are_the_default():
    """lmplz counts one n-gram per order by its raw count; only the discounts of the lower orders move, a little."""
    corpus = Corpus(shared(YORUBA))
    plain, quirk = (train_ngram(corpus, order=3, smoothing=Smoothing(like_lmplz=like)) for like in (False, True))
    difference = np.array(plain.details["discounts"]) - np.array(quirk.details["discounts"])
    assert np.abs(difference).max() < 5e-3
    assert np.abs(difference[:-1]).max() > 0


@pytest.fixture(scope="module")
def wikitext(tmp_path_factory):
    """WikiText-2's training and test text, `<unk>` renamed, with and without the lines that are blank."""
    folder = tmp_path_factory.mktemp("wikitext")
    for part in ("train", "test"):
        text = shared(f"data/wikitext-2/{part}.txt").read_text(encoding="utf-8").replace("<unk>", "[UNK]")
        (folder / f"kept.{part}").write_text(text, encoding="utf-8")
        lines = [line for line in text.split("\n") if line.strip(" ")]
        (folder / f"dropped.{part}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(("blank", "tokens", "perplexity"), [("dropped", 244_102, 224.81), ("kept", 245_569, 220.14)])
def test_wikitext_as_kenlm_reports_it(wikitext, blank, tokens, perplexity):
    model = train_ngram(Corpus(wikitext / f"{blank}.train"), smoothing=Smoothing(like_lmplz=True))
    found = evaluate(model, Corpus(wikitext / f"{blank}.test"), threads=2)
    assert found.tokens == tokens
    assert round(found.perplexity, 2) == perplexity


def test_the_score_command_equals_query(tmp_path, capsys):
    """From the shell: train, then one row per token, in bits, within 1e-5 of KenLM's log10."""
    train, test = (str(shared(f"{GOLDEN}/shakespeare.{part}.txt")) for part in ("train", "test"))
    assert run(["train", "ngram", train, "--like-lmplz", "--quiet", "--out", str(tmp_path / "model")]) == 0
    assert run(["score", str(tmp_path / "model"), test, "--surprisal-only"]) == 0
    header, *rows = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert header == ["sentence_id", "token_id", "token", "surprisal", "oov"]
    log10 = -np.array([float(row[3]) for row in rows]) * np.log10(2)
    assert np.abs(log10 - query_scores()).max() <= LOG10_TOLERANCE


def query_scores():
    """KenLM's log10 probability of every token of the test text."""
    with gzip.open(shared(f"{GOLDEN}/shakespeare.o5.scores.txt.gz"), "rt", encoding="utf-8") as file:
        cells = [cell.rpartition("=")[2].split(" ") for line in file for cell in line.split("\t")]
    return np.array([float(cell[2]) for cell in cells if len(cell) == 3])
