"""``nextword translate``: a translator of two toy languages, trained, used and scored from the command line."""

import json
import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("sacrebleu")
pytest.importorskip("sklearn")

from nextword.interfaces.cli import run
from tasks.translate.languages import sentences

TRAIN, DEV = sentences(200, seed=0), sentences(20, seed=1)
QUICK = "--tokenizer word --steps 6 --embedding-size 8 --hidden-size 12 --batch-size 16 --threads 1 --precision float32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translating")
    for name, (sources, targets) in {"train": TRAIN, "dev": DEV}.items():
        for language, lines in (("en", sources), ("es", targets)):
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
        pairs = [f"{i}\t{source}\t{target}\n" for i, (source, target) in enumerate(zip(sources, targets, strict=True))]
        (folder / f"{name}.tsv").write_text("n\ten\tes\n" + "\n".join(pairs), encoding="utf-8")
    (folder / "short.es").write_text("el gato\n", encoding="utf-8")
    (folder / "talk.en").write_text("the cat\n\nthe red bird sees\n", encoding="utf-8")
    return folder


@pytest.fixture
def call(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)

    def call(line):
        status = run(["translate", *line.split()])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def model(call, folder):
    """Trained once."""
    if not (folder / "model").exists():
        given = "--valid-source dev.en --valid-target dev.es --out model --plot"
        status, out, err = call(f"train train.en train.es {given} {QUICK}")
        assert (status, out) == (0, ""), err
        form = r"wrote model: 200 pairs, 6 steps in \d+ s, \d\.\d{3} nats per held-out token"
        assert re.fullmatch(form, err.splitlines()[-1])
    return "model"


def test_help_shows_examples(call):
    for command in ("train", "predict", "evaluate"):
        status, out, _ = call(f"{command} --help")
        assert status == 0
        assert f"Example: nextword translate {command}" in " ".join(out.split())


def test_training_leaves_a_model_a_record_and_a_plot(model, folder):
    config = json.loads((folder / model / "config.json").read_text())
    assert config["kind"] == "translator"
    assert [file["path"] for file in config["trained_on"]] == ["train.en", "train.es"]
    assert config["settings"]["steps"] == 6
    assert (folder / "model.training" / "metrics.jsonl").exists()
    assert (folder / "model.training" / "loss.png").exists()


def test_a_finished_run_is_not_begun_again(call, model):
    given = f"--valid-source dev.en --valid-target dev.es --out model --resume {QUICK}"
    status, out, err = call(f"train train.en train.es {given}")
    assert (status, out) == (1, "")
    assert err.startswith("nextword: model.training: this run is finished after 6 steps, and its model is in model;")


def test_pairs_in_one_file(call, folder):
    status, _, err = call(f"train train.tsv --columns en,es --valid dev.tsv --out tsv {QUICK}")
    assert status == 0
    assert re.match(r"wrote tsv: 200 pairs, 199 left out \(blank\), 6 steps", err.splitlines()[-1])
    status, out, _ = call("evaluate tsv dev.tsv --columns 2,3")
    assert status == 0
    assert "left out: 19 blank pairs" in out


def test_predict_gives_as_many_lines(call, model, folder):
    status, out, err = call("predict model talk.en")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 3
    assert out.splitlines()[1] == ""
    status, empty, err = call("predict model talk.en --beam 1 --length-penalty 0 --out talk.es")
    assert (status, empty, err) == (0, "", "wrote talk.es: 3 lines\n")
    assert len((folder / "talk.es").read_text(encoding="utf-8").splitlines()) == 3
    status, out, _ = call("predict model talk.en --json --max-tokens 1")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["source"] for row in rows] == ["the cat", "", "the red bird sees"]
    assert set(rows[0]) == {"source", "text", "log_prob", "score", "finished"}
    assert all(len(row["text"].split()) <= 1 for row in rows)


@pytest.mark.parametrize("name", ["look.png", "look.html"])
def test_predict_draws_attention(call, model, folder, name):
    status, _, err = call(f"predict model talk.en --attention {name}")
    assert (status, err) == (0, f"wrote {name}\n")
    assert (folder / name).stat().st_size > 1000


def test_evaluate_prints_scores_with_their_signatures(call, model):
    status, out, err = call("evaluate model dev.en dev.es")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["words", "sentences", "BLEU", "chrF"]
    assert lines[2].split()[:2] == ["all", "20"]
    assert lines[3].split()[:2] == ["1–5", "20"]
    assert lines[-2].startswith("BLEU nrefs:1|case:mixed|")
    document = json.loads(call("evaluate model dev.en dev.es --json --beam 1")[1])
    assert (document["sentences"], document["blank"], document["by_length"][0]["words"]) == (20, 0, "1–5")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "train train.en short.es --out x",
            "train.en:2: has no partner: train.en has 200 lines and short.es 1 line; in parallel texts line i of one",
        ),
        ("train a b c --out x", "3 files were given; give sentences and translations, or one tab-separated file"),
        (
            "train train.en train.es --valid-source dev.en --out x",
            "--valid-source and --valid-target go together: sentences and their translations; give both",
        ),
        (
            "train train.en train.es --valid dev.tsv --valid-source dev.en --valid-target dev.es --out x",
            "--valid and --valid-source are two ways to give held-out pairs; give one",
        ),
        (
            "train train.tsv --columns en,fr --out x",
            "train.tsv:1: has no column 'fr', but n, en, es; name two of these",
        ),
        (
            "predict model talk.en --attention look.gif",
            "look.gif: a picture of attention is a .png or .html file; give it such a name",
        ),
        ("evaluate model dev.en", "dev.en:1: has 1 column, expected at least 2"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(call, model, line, message):
    status, out, err = call(line)
    assert status in (1, 2)
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
