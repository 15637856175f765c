"""``nextword explain``: tables as they are printed, JSON, pages and plots, and errors in words."""

import json

import pytest

import nextword
from nextword import store
from nextword.interfaces.cli import run
from nextword.text.pipeline import Pipeline

# a after <s> three times, b once; b after a twice, c once: see the derivation in tests/tasks/explain/test_backoff.py
LINES = ["a b", "a b", "a c", "b"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    (folder / "train.txt").write_text("\n".join(LINES) + "\n")
    smoothing = nextword.Smoothing("kneser-ney", discount=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # so that the path of the text that is recorded is short
        nextword.train("train.txt", order=2, smoothing=smoothing).save("kn")
        nextword.train("train.txt", order=2, smoothing="stupid-backoff").save("s")
    return folder


@pytest.fixture
def lstm(folder):
    """A directory with an LSTM of random weights."""
    torch = pytest.importorskip("torch")
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel

    if not (folder / "lstm").exists():
        vocabulary = nextword.load(folder / "kn").model.vocabulary
        torch.manual_seed(0)
        sizes = {"embedding_size": 4, "hidden_size": 4, "layers": 1}
        network = build("lstm", sizes, len(vocabulary), vocabulary.bos)
        store.save(folder / "lstm", NeuralModel(network, vocabulary, scope="stream"), text=Pipeline())
    return "lstm"


@pytest.fixture
def call(folder, capsys, monkeypatch):
    """Run a command line in the folder; returns (status, stdout, stderr)."""
    monkeypatch.chdir(folder)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def succeed(call):
    def succeed(*arguments):
        status, out, err = call("explain", *arguments)
        assert status == 0, err
        return out

    return succeed


def test_a_line_a_token(succeed):
    assert succeed("kn", "a b zz", "--quiet").splitlines() == [
        "#  token         bits  probability  n-gram    = weights × stored",
        "-  ------------  ----  -----------  --------  ------------------",
        "1  a             0.59       0.6625  2: <s> a  0.6625",
        "2  b             0.72       0.6056  2: a b    0.6056",
        "3  zz (unknown)  6.49      0.01111  1: <unk>  0.1667 × 0.06667",
        "4  </s>          1.66       0.3167  1: </s>   1 × 0.3167",
    ]


def test_a_note_says_how_to_see_more(call):
    status, _, err = call("explain", "kn", "a b")
    assert (status, err) == (0, "for one token in full: --position N, 1 to 3\n")


def test_one_token_in_full(succeed):
    assert succeed("kn", "a b", "--position", 2).splitlines() == [
        "b: probability 0.6056, 0.72 bits",
        "",
        "order  n-gram  there  back-off  probability  count  of",
        "-----  ------  -----  --------  -----------  -----  --",
        "2      a b     yes      0.3333       0.6056      2   3",
        "1      b       yes                   0.3167      2   6",
        "",
        "p(b | a) = 0.6056, as it is stored",
        "",
        "From the counts:",
        "  2  (2 − 0.5000) / 3 + 0.3333 × 0.3167 = 0.6056   as the model has it",
        "     weight (2 × 0.5000) / 3 = 0.3333",
        "  1  (2 − 0.5000) / 6 + 0.3333 × 0.2 = 0.3167   as the model has it; counts of distinct words to the left",
        "     weight (4 × 0.5000) / 6 = 0.3333",
        "",
        "Counts of train.txt.",
    ]


def test_json_is_the_explanation(succeed):
    found = json.loads(succeed("kn", "a b", "--position", "2", "--json"))
    assert (found["kind"], found["positions"], found["counts"]) == ("ngram", [1], "train.txt")
    assert found["paths"][0]["rungs"][0]["counted"]["classes"] == [1, 1, 0]


def test_counts_of_a_text_that_is_named(folder, succeed):
    nextword.write_arpa(nextword.load(folder / "kn").model, folder / "kn.arpa")
    assert "Counts are not shown: the model does not say what it was trained on" in succeed(
        "kn.arpa", "a b", "--position", 2
    )
    assert "does not say how it was estimated" in succeed("kn.arpa", "a b", "--position", 2, "--train", "train.txt")
    (folder / "copy.txt").write_text("b a c\n")
    out = succeed("kn", "a b", "--position", 2, "--train", "copy.txt")
    assert "the model has 0.6056" in out and "Counts of copy.txt." in out


def test_a_network(succeed, lstm):
    lines = succeed(lstm, "a b c", "--quiet").splitlines()
    assert lines[0].split() == ["#", "token", "bits", "probability", "mattered", "most"]
    assert lines[4].split()[:2] == ["3", "c"]
    assert set(lines[4].split()[4:]) == {"</s>", "a", "b"}
    rows = succeed(lstm, "a b c", "--position", 3).splitlines()
    assert [row.split()[0] for row in rows[4:]] == ["</s>", "a", "b"]
    assert max(row.count("█") for row in rows[4:]) == 24


def test_a_page(folder, succeed, call):
    status, out, err = call("explain", "kn", "a <b>", "--html", "why.html")
    assert (status, out, err) == (0, "", "written: why.html\n")
    assert "&lt;b&gt;" in (folder / "why.html").read_text() and "<b>" not in (folder / "why.html").read_text()
    status, _, err = call("explain", "kn", "a", "--html", "none/why.html")
    assert status == 1 and err.startswith("nextword: none/why.html: cannot be written")


def test_gradients_against_distance(folder, call, lstm, monkeypatch):
    from nextword.tasks.explain import distance

    def few(**options):
        return real(size=4, steps=6, texts=1)

    real = distance.untrained
    monkeypatch.setattr(distance, "untrained", few)
    pytest.importorskip("matplotlib")
    status, out, err = call("explain", "--gradients", lstm, "--text", "train.txt", "--plot", "g.svg")
    assert (status, err) == (0, "written: g.svg\n")
    assert (folder / "g.svg").read_text().startswith("<?xml")
    lines = out.splitlines()
    assert lines[2].split() == ["0", "5", "10"]
    assert [line.split("  ")[0] for line in lines[4:]] == [
        "Elman", "GRU", "LSTM", "Elman, recurrent weights × 8", "Elman, written out", "lstm",
    ]  # fmt: skip
    status, out, _ = call("explain", "--gradients", lstm, "--text", "train.txt", "--json")
    found = json.loads(out)
    assert found[-1]["name"] == "lstm" and found[-1]["trained"] and len(found[0]["norms"]) == 7


TWO = 'explain takes a model and one text, and {} arguments were given; put the text in quotes: "…"'


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["kn"], 2, TWO.format(1)),
        (["kn", "a", "b"], 2, TWO.format(3)),
        (["kn", ""], 2, "the text is empty; give one with at least one line"),
        (["kn", "a b", "--position", "9"], 2, "position 9: the text has 3 tokens; give 1 to 3"),
        (["s", "a"], 2, "a stupid-backoff model gives scores, no probabilities, so there is none to explain; "
         "give another"),
        (["none", "a b"], 1, "none: there is no such directory; give the directory of a saved model"),
        (["kn", "a b", "--plot", "x.png"], 2, "--plot has no effect on a text; give --gradients too"),
        (["--gradients", "--position", "2"], 2, "--position has no effect on gradients; leave it out"),
        (["--gradients", "--text", "x"], 2, "--text is read by trained models; name their directories before it"),
        (["--gradients", "--plot", "x.pdf"], 2, "x.pdf: a plot is a .png or .svg file; give it such a name"),
        (["--gradients", "kn"], 2, "kn: a ngram model is no network and has no gradients; "
         "give a neural language model"),
    ],
)  # fmt: skip
def test_errors_in_words(call, arguments, status, words):
    assert call("explain", *arguments) == (status, "", f"nextword: {words}\n")
