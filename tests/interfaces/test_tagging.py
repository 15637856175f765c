"""``nextword tag``: train, predict, evaluate."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nextword.interfaces.cli import run  # noqa: E402

TINY = [
    "--epochs=12", "--lr=0.03", "--batch-size=4", "--embedding-size=8", "--hidden-size=8", "--character-features=4",
    "--threads=1", "--precision=float32", "--quiet",
]  # fmt: skip
NAMES = {"Ann": "B-per", "Bob": "B-per", "Rome": "B-loc", "saw": "O", "left": "O"}
LINES = ["Ann saw Rome", "Bob left", "Bob saw Ann", "Ann left Rome"] * 4


def columns(lines):
    return "\n".join("".join(f"{word}\t{NAMES[word]}\n" for word in line.split()) for line in lines)


def treebank(lines):
    rows = [
        "".join(
            f"{i}\t{word}\t_\t{'PROPN' if NAMES[word] != 'O' else 'VERB'}\t_\t_\t_\t_\t_\t_\n"
            for i, word in enumerate(line.split(), start=1)
        )
        for line in lines
    ]
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two taggers: of entities in columns, and of parts of speech in CoNLL-U."""
    folder = tmp_path_factory.mktemp("tagging")
    (folder / "train.conll").write_text(columns(LINES))
    (folder / "train.conllu").write_text(treebank(LINES))
    (folder / "test.conll").write_text("Bob\tB-per\nsaw\tO\nPisa\tB-loc\n\nRome\tB-org\n")
    valid = ["--valid", str(folder / "train.conll")]
    assert (
        run(
            [
                "tag",
                "train",
                str(folder / "train.conll"),
                "--out",
                str(folder / "ner"),
                *valid,
                "--output",
                "crf",
                *TINY,
            ]
        )
        == 0
    )
    assert (
        run(["tag", "train", str(folder / "train.conllu"), "--out", str(folder / "pos"), "--network", "window", *TINY])
        == 0
    )
    return folder


@pytest.fixture
def call(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)

    def call(*arguments):
        capsys.readouterr()
        status = run(["tag", *map(str, arguments)])
        return status, *capsys.readouterr()

    return call


def test_evaluate_entities(call):
    status, out, err = call("evaluate", "ner", "test.conll", "--json")
    found = json.loads(out)
    assert (status, err) == (0, "test.conll: 1 tag that the tagger does not know counts as an error: B-org (1)\n")
    assert (found["tokens"], found["unknown_tokens"], found["unseen_tags"]) == (4, 1, {"B-org": 1})
    assert found["types"]["org"] == {
        "correct": 0, "predicted": 0, "gold": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0
    }  # fmt: skip
    status, out, _ = call("evaluate", "ner", "train.conll", "--quiet")
    assert status == 0
    tables = [[line.split() for line in part.splitlines()] for part in out.strip().split("\n\n")]
    assert tables[0] == [
        ["right"],
        ["-" * 13, "--", "-------"],
        ["tokens", "44", "100.00%"],
        ["unknown", "words", "0", "-"],
    ]
    assert tables[1][0] == ["entities", "there", "predicted", "right", "precision", "recall", "F1"]
    assert tables[1][2] == ["all", "entities", "28", "28", "28", "100.00", "100.00", "100.00"]
    assert tables[1][-1] == ["distinct", "ones", "3", "3", "3", "100.00", "100.00", "100.00"]
    assert tables[2][0][0] == "tag"


def test_predict_columns_text_and_schemes(call, folder):
    (folder / "in.txt").write_text("Ann saw Rome\nBob left\n")
    tagged = "Ann\tB-per\nsaw\tO\nRome\tB-loc\n\nBob\tB-per\nleft\tO\n\n"
    assert call("predict", "ner", "in.txt") == (0, tagged, "")
    assert call("predict", "ner", "in.txt", "--scheme", "iobes")[1] == tagged.replace("B-", "S-")
    status, out, err = call("predict", "ner", "train.conll", "--out", "out.conll")
    assert (status, out, err) == (0, "", "wrote out.conll: 16 sentences, 44 tokens\n")
    lines = (folder / "out.conll").read_text().split("\n")
    assert all(len(set(line.split("\t")[1:])) <= 1 for line in lines)  # a third column, and it is right


def test_predict_conllu(call, folder):
    (folder / "plain.conllu").write_text("# kept\n" + treebank(["Bob saw Rome"]).replace("PROPN", "_"))
    status, out, err = call("predict", "pos", "plain.conllu")
    assert (status, out, err) == (0, "# kept\n" + treebank(["Bob saw Rome"]), "")
    status, out, _ = call("evaluate", "pos", "train.conllu", "--json")
    assert (status, json.loads(out)["accuracy"]) == (0, 1.0)
    assert "entities" not in json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("train bad.conll --out x", 1, "bad.conll:2: has 1 column, expected 2 as bad.conll:1 has: b"),
        (
            "train train.conll --out x --valid bad.conll",
            1,
            "bad.conll:2: has 1 column, expected 2 as bad.conll:1 has: b",
        ),
        ("train none.conll --out x", 1, "none.conll: there is no such file; check the path"),
        ("train train.conll --out x --network gru", 2, "network='gru': expected one of window, rnn, bilstm"),
        (
            "train train.conllu --out x --scheme iob2",
            1,
            "train.conllu:1: the tag 'PROPN' is no entity's: expected O, or B-, I-, E- or S- and a type, such as "
            "B-person",
        ),
        ("train train.conll --out train.conll", 1, "train.conll: is a file, expected a directory; choose another name"),
        ("evaluate ner in.txt --format text", 1, "in.txt: is read as plain text, which has no tags"),
        ("predict ner malformed.conllu", 1, "malformed.conllu:1: "),
        ("evaluate nowhere test.conll", 1, "nowhere"),
    ],
)
def test_what_is_refused(call, folder, arguments, status, message):
    (folder / "bad.conll").write_text("a\tO\nb\n")
    (folder / "in.txt").write_text("Ann saw\n")
    (folder / "malformed.conllu").write_text("1\ta\n")
    got, out, err = call(*arguments.split())
    assert (got, out) == (status, "")
    assert err.startswith(f"nextword: {message}") and err.count("\n") == 1
