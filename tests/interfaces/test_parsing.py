"""``nextword parse``: train, predict, evaluate, trace, tree."""

import json
import re
from xml.etree import ElementTree

import pytest

from nextword.interfaces.cli import run
from nextword.text.conllu import read_conllu, write_conllu
from parse_trees import SAW, sentence

TRAIN = [
    sentence("I/2/subj/PRON saw/0/root/VERB him/2/obj/PRON"),
    sentence("she/2/subj/PRON met/0/root/VERB us/2/obj/PRON ./2/punct/PUNCT"),
    sentence("the/2/det/DET cat/3/subj/NOUN slept/0/root/VERB"),
    sentence("a/0/root/X b/4/dep/X c/1/dep/X d/1/dep/X"),
]
SMALL = [
    "--lstm-size", "12", "--hidden-size", "16", "--embedding-size", "8", "--tag-size", "6", "--label-size", "4",
    "--min-count", "1", "--batch-size", "1", "--lr", "0.02", "--epochs", "25", "--dropout", "0.1",
    "--precision", "float32", "--threads", "1", "--quiet",
]  # fmt: skip


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, sentences in {"train": TRAIN, "saw": [SAW], "two": TRAIN[:2]}.items():
        (tmp_path / f"{name}.conllu").write_text("".join(write_conllu(sentences)), encoding="utf-8")

    def call(*arguments):
        status = run(["parse", *map(str, arguments)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("parser")
    (folder / "train.conllu").write_text("".join(write_conllu(TRAIN)), encoding="utf-8")
    file, out = str(folder / "train.conllu"), str(folder / "parser")
    assert run(["parse", "train", file, "--valid", file, "--out", out, *SMALL]) == 0
    return folder / "parser"


def cells(out):
    return [re.split("  +", line.strip()) for line in out.strip().splitlines()]


def test_the_trace_of_i_saw_him(call):
    status, out, err = call("trace", "saw.conllu")
    assert (status, err) == (0, "")
    rows = cells(out)
    assert rows[0] == ["Step", "Stack", "Buffer", "Transition", "New Arc"]
    assert rows[2:] == [
        ["1", "[ROOT]", "[I, saw, him]", "SHIFT", "—"],
        ["2", "[ROOT, I]", "[saw, him]", "SHIFT", "—"],
        ["3", "[ROOT, I, saw]", "[him]", "LEFT-ARC", "saw → I (subj)"],
        ["4", "[ROOT, saw]", "[him]", "SHIFT", "—"],
        ["5", "[ROOT, saw, him]", "[]", "RIGHT-ARC", "saw → him (obj)"],
        ["6", "[ROOT, saw]", "[]", "RIGHT-ARC", "ROOT → saw (root)"],
    ]


def test_trees_are_drawn(call, tmp_path):
    assert call("tree", "saw.conllu") == (0, "+-- I (subj)\nsaw (root)\n+-- him (obj)\n\n", "")
    assert call("tree", "saw.conllu", "--picture", "svg", "--out", "saw.svg")[0] == 0
    assert ElementTree.parse(tmp_path / "saw.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert call("tree", "two.conllu", "--picture", "html")[1].count("<svg") == 2
    message = "nextword: 2 sentences do not fit into one svg; choose html, or give one sentence\n"
    assert call("tree", "two.conllu", "--picture", "svg") == (2, "", message)
    message = "nextword: 'png' is no picture; choose ascii, svg or html\n"
    assert call("tree", "two.conllu", "--picture", "png") == (2, "", message)


def test_two_files_are_compared(call, tmp_path):
    found = [SAW.replaced(heads=[2, 0, 1], deprels=["subj:x", "root", "obj"])]
    (tmp_path / "found.conllu").write_text("".join(write_conllu(found)), encoding="utf-8")
    status, out, err = call("evaluate", "found.conllu", "saw.conllu")
    assert (status, err) == (0, "")
    assert [(row[0], row[-1]) for row in cells(out)[2:4]] == [("UAS", "66.67"), ("LAS", "66.67")]
    document = json.loads(call("evaluate", "found.conllu", "saw.conllu", "--json")[1])
    assert document["exact"] == pytest.approx(1 / 3)
    assert (document["words"], document["trees"], document["file"]) == (3, 0, "saw.conllu")
    status, _, err = call("evaluate", "found.conllu", "saw.conllu", "--tagger", tmp_path)
    assert (status, err) == (
        2, "nextword: found.conllu is parsed already, so that --tagger has no effect; leave it out\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\tI\n", "bad.conllu:1: 2 columns, expected 10, parted by tabs"),
        ("".join(write_conllu([SAW.replaced(heads=[2, 1, 0])])), "bad.conllu:1: the heads go in a circle, 1 → 2 → 1"),
        ("".join(write_conllu([SAW.replaced(heads=[0, 0, 2])])), "bad.conllu:2: the head of word 2 (saw) is 0, and so"),
    ],
)
def test_bad_input_is_named_by_file_and_line(call, tmp_path, text, message):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    (tmp_path / "bad.conllu").write_text(text, encoding="utf-8")
    for command in (["trace", "bad.conllu"], ["train", "bad.conllu", "--out", "out", "--quiet"]):
        status, out, err = call(*command)
        assert (status, out) == (1, "")
        assert err.startswith(f"nextword: {message}")
    assert not (tmp_path / "out").exists()


def test_a_parser_is_trained_and_scored(call, parser):
    document = json.loads(call("evaluate", parser, "two.conllu", "--json")[1])
    assert document["las"] == 1.0
    assert parser.with_name("parser.training").is_dir()


def test_training_says_what_it_did(call, parser, tmp_path):
    few = [option for option in SMALL if option != "--quiet"]
    few[few.index("25")] = "1"
    status, out, err = call("train", "train.conllu", "--out", "new", "--nonprojective", "skip", *few)
    assert (status, out) == (0, "")
    assert re.search(r"new: parser, [\d,]+ parameters, 4 sentences \(1 with crossing arcs skipped\), 3 steps in", err)


def test_sentences_are_parsed(call, parser, tmp_path):
    status, out, err = call("predict", parser, "two.conllu")
    assert (status, err, out) == (0, "", (tmp_path / "two.conllu").read_text(encoding="utf-8"))
    status, out, err = call("predict", parser, "two.conllu", "--out", "parsed.conllu.txt")
    assert (status, out, err) == (0, "", "wrote parsed.conllu.txt: 2 sentences, 7 words\n")
    assert read_conllu(tmp_path / "parsed.conllu.txt") != []


def test_predictions_are_traced_and_drawn(call, parser, tmp_path):
    (tmp_path / "one.conllu").write_text("".join(write_conllu(TRAIN[:1])), encoding="utf-8")
    assert cells(call("predict", parser, "one.conllu", "--trace")[1])[-1][-1] == "ROOT → saw (root)"
    assert call("predict", parser, "one.conllu", "--tree", "ascii")[1].startswith("+-- I (subj)\nsaw (root)\n")
    assert call("predict", parser, "one.conllu", "--tree", "ascii", "--trace") == (
        2, "", "nextword: --trace and --tree were both given; choose one\n",
    )  # fmt: skip


def test_plain_text_needs_a_tagger(call, parser, tmp_path):
    (tmp_path / "plain.txt").write_text("I saw him\n\nthe cat slept\n", encoding="utf-8")
    status, out, err = call("predict", parser, "plain.txt")
    assert (status, out) == (2, "")
    assert err == (
        "nextword: plain.txt:1: the words have no UPOS, which this parser reads; tag them first (--tagger DIR)\n"
    )


def test_plain_text_with_a_tagger(call, parser, tmp_path, monkeypatch):
    tagger = pytest.importorskip("nextword.tasks.tag.tagger")
    tags = {word.form: word.upos for known in TRAIN for word in known.words}

    class Lookup:
        info = {"settings": {"column": "upos"}}  # noqa: RUF012

        def predict(self, sentences):
            return [[tags[form] for form in forms] for forms in sentences]

    monkeypatch.setattr(tagger.Tagger, "load", lambda folder: Lookup())
    (tmp_path / "plain.txt").write_text("I saw him\n\nthe cat slept\n", encoding="utf-8")
    assert call("predict", parser, "plain.txt", "--tagger", "t", "--out", "parsed.conllu")[0] == 0
    found = read_conllu(tmp_path / "parsed.conllu")
    assert [[word.head for word in tree.words] for tree in found] == [[2, 0, 2], [2, 3, 0]]
    assert [word.upos for word in found[1].words] == ["DET", "NOUN", "VERB"]
    Lookup.info = {"settings": {"column": 2}}
    status, _, err = call("predict", parser, "plain.txt", "--tagger", "t")
    assert (status, err) == (2, "nextword: t: gives tags of 2, expected upos, xpos or feats of CoNLL-U\n")


def test_a_tree_with_crossing_arcs_has_no_trace(call, tmp_path):
    from parse_trees import sentence

    trees = [sentence("a/0/root/X b/4/dep/X c/1/dep/X d/1/dep/X"), sentence("a/0/root/X b/1/dep/X")]
    (tmp_path / "crossing.conllu").write_text("".join(write_conllu(trees)), encoding="utf-8")
    status, out, err = call("trace", "crossing.conllu")
    assert (status, err) == (0, "left out, as their arcs cross: 1 of 2 trees\n")
    assert [row[-2] for row in cells(out)[2:]] == ["SHIFT", "SHIFT", "RIGHT-ARC", "RIGHT-ARC"]
