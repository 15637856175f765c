"""``nextword filter`` and the conversion of foreign filter models, on the command line."""

import io
import json
import shutil
from pathlib import Path

import pytest

import nextword
from nextword.interfaces.cli import run
from tasks.filter.small import OTHER, TRAIN, model, write_jsonl

GOLDEN = Path(__file__).parents[1] / "golden" / "kenlm"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model().save("m")
    model(OTHER).save("other")
    write_jsonl(tmp_path / "a.jsonl")
    return tmp_path


@pytest.fixture
def call(folder, capsys):
    """Run a command line in the folder; returns (status, stdout, stderr)."""

    def call(command):
        status = run(command.split())
        return status, *capsys.readouterr()

    return call


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_table(call, folder):
    status, out, err = call("filter m a.jsonl --out out --buckets folders --threads 1")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[:7] == [
        "documents  number   share",
        "---------  ------  ------",
        "read            8  100.0%",
        "kept            8  100.0%",
        "head            2   25.0%",
        "middle          2   25.0%",
        "tail            4   50.0%",
    ]
    assert lines[7] == "empty           1   12.5%"
    points = json.loads((folder / "out/filter.json").read_text())["points"]
    spelt = [f"{point:,.2f}" for point in points]
    assert lines[9] == f"cut points of perplexity: {spelt[0]} at 30 %, {spelt[1]} at 60 % of 7 documents"
    assert lines[10].startswith("perplexity: ")
    assert lines[11].endswith(" MB/s")
    assert len(list((folder / "out").glob("*/a.jsonl"))) == 3

    status, out, err = call("filter m a.jsonl --out out --buckets folders --threads 2")
    assert (status, err) == (0, "1 of 1 shards had been done before\n")
    assert "MB/s" not in out


def test_json_and_every_option(call, folder):
    command = (
        "filter m a.jsonl --out out --prefix lm_ --max-perplexity 1e6 --min-perplexity 1.5 --min-bits-per-byte 0.01 "
        "--max-bits-per-byte 900 --contrast other --max-contrast 50 --min-contrast -50 --keep-percentile 80 "
        "--by perplexity --sample 5 --seed 3 --join-lines --on-error skip --overwrite --json --threads 1 --quiet"
    )
    status, out, err = call(command)
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["settings"]["limits"] == [
        {"column": "perplexity", "minimum": 1.5, "maximum": 1e6},
        {"column": "bits_per_byte", "minimum": 0.01, "maximum": 900},
        {"column": "contrast", "minimum": -50, "maximum": 50},
    ]
    cut = report["settings"]["cut"]
    assert (cut["column"], cut["percentiles"], cut["use"]) == ("perplexity", [80], "keep")
    found = records(folder / "out/a.jsonl")
    assert report["kept"] == len(found)
    assert all(record["lm_perplexity"] < cut["points"][0] for record in found)
    assert all("lm_contrast" in record for record in found)
    assert report["shards"][0]["outputs"] == ["a.jsonl"]


def test_by_default_percentiles_are_of_the_contrast_if_there_is_one(call, folder):
    assert call("filter m a.jsonl --out out --contrast other --buckets column --percentiles 50")[0] == 0
    assert json.loads((folder / "out/filter.json").read_text())["column"] == "contrast"
    assert {record["bucket"] for record in records(folder / "out/a.jsonl")} == {"p0-50", "p50-100"}


def test_cuts_of_another_run(call, folder):
    assert call("filter m a.jsonl --out one --buckets folders")[0] == 0
    status, out, _ = call("filter m a.jsonl --out two --buckets column --cuts one/filter.json")
    assert status == 0
    assert "at 60 %\n" in out  # and not of how many documents
    points = [json.loads((folder / name / "filter.json").read_text())["points"] for name in ("one", "two")]
    assert points[0] == points[1]


def test_what_was_skipped_and_redone_is_said(call, folder):
    (folder / "b.jsonl").write_text('{"text": "they opened"}\nno\n')
    status, out, err = call("filter m b.jsonl --out out --on-error skip")
    assert (status, err) == (0, "skipped 1 records, listed in out/skipped.tsv\n")
    assert "read            1  100.0%" in out
    (folder / "out/b.jsonl").write_text("changed")
    _, _, err = call("filter m b.jsonl --out out --on-error skip")
    assert err.splitlines()[0] == "b.jsonl: done again, because out/b.jsonl has changed since"


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, "m no.jsonl --out out", "no.jsonl: there is no such file; check the path"),
        (1, "m b.jsonl --out out", "b.jsonl:1: the record is an array; expected an object"),
        (2, "m a.jsonl --out out --buckets folders --keep-percentile 5", "--keep-percentile keeps one bucket and"),
        (
            2,
            "m a.jsonl --out out --buckets folders --percentiles a,b",
            "--percentiles 'a,b': expected numbers with",
        ),
        (2, "m a.jsonl --out out --buckets folders --percentiles 60,30", "the percentiles are 60,30; expected rising"),
        (2, "m a.jsonl --out out --max-contrast 1", "a limit or cut of the contrast needs a second model"),
        (2, "m a.jsonl --out .", "a.jsonl would be overwritten by what is kept of it; give another --out"),
        (2, "m a.jsonl", "Missing option '--out'"),
        (2, "m --out out", "Missing argument 'IN...'"),
        (1, "nowhere a.jsonl --out out", "nowhere: there is no such directory"),
    ],
)
def test_refusals(call, folder, status, arguments, message):
    (folder / "b.jsonl").write_text("[]\n")
    found, out, err = call(f"filter {arguments}")
    assert (found, out) == (status, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_foreign_model_of_sentencepiece_and_cc_net(call, folder):
    """An ARPA file of pieces, as lmplz writes it from pieces of normalised text, becomes a filter that reads text."""
    spm = pytest.importorskip("sentencepiece")
    data = io.BytesIO()
    options = {"vocab_size": 40, "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 1}
    spm.SentencePieceTrainer.train(sentence_iterator=iter(TRAIN), model_writer=data, **options)
    (folder / "en.sp.model").write_bytes(data.getvalue())
    pieces = spm.SentencePieceProcessor(model_proto=data.getvalue())
    lines = [" ".join(pieces.encode_as_pieces(line)) for line in TRAIN]
    lm = model(lines)
    lm.save("pieces")
    assert call("convert pieces en.arpa")[0] == 0
    assert call("convert en.arpa en --tokenizer en.sp.model --normalize ccnet")[0] == 0
    found = nextword.load("en")
    assert (found.pipeline.tokenizer.name, found.pipeline.normalizer.form) == ("sentencepiece", "ccnet")

    write_jsonl(folder / "t.jsonl", ["Stúdents OPENED\ntheir “books”", ""])
    assert call("filter en t.jsonl --out out --join-lines")[0] == 0
    record = records(folder / "out/t.jsonl")[0]
    # cc_net normalises the whole document, so its newline is deleted, cuts it, and scores one line
    spaced = " ".join(pieces.encode_as_pieces('students openedtheir "books"'))
    assert record["perplexity"] == pytest.approx(lm.perplexity(spaced), abs=2e-3)
    assert record["tokens"] == len(spaced.split()) + 1
    assert call("filter en t.jsonl --out lines")[0] == 0
    texts = ["students opened", 'their "books"']
    spaced = "\n".join(" ".join(pieces.encode_as_pieces(line)) for line in texts)
    assert records(folder / "lines/t.jsonl")[0]["perplexity"] == pytest.approx(lm.perplexity(spaced), abs=2e-3)

    status, _, err = call("convert en other.arpa --normalize ccnet")
    assert (status, err) == (
        2,
        "nextword: --normalize: these are for a directory made of an ARPA file; a model directory has its own\n",
    )


@pytest.mark.parametrize("name", ["probing.bin", "trie-qa.bin", "trie.bin"])
def test_a_kenlm_binary_is_used_as_it_lies(call, folder, name):
    """The figures are those of its ARPA file, but for the few bits that quantised tries have; a run of it goes on."""
    shutil.copy(GOLDEN / name, folder / name)
    shutil.copy(GOLDEN / "words.arpa", folder / "words.arpa")
    write_jsonl(folder / "t.jsonl", ["They C\nd é naïve", "", "in the 日本 e", "<s> zz"])
    assert call("convert words.arpa words --normalize nfc")[0] == 0
    assert call("filter words t.jsonl --out expected")[0] == 0
    assert call(f"filter {name} t.jsonl --out out --normalize nfc --threads 2")[0] == 0
    expected, found = records(folder / "expected/t.jsonl"), records(folder / "out/t.jsonl")
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours["tokens"], ours["oov"]) == (theirs["tokens"], theirs["oov"])
        if ours["text"]:
            assert ours["perplexity"] == pytest.approx(theirs["perplexity"], rel=0.2 if "q" in name else 1e-5)
        else:
            assert ours["perplexity"] is None
    assert found[0]["oov"] > 0
    assert call(f"filter {name} t.jsonl --out out --normalize nfc")[2] == "1 of 1 shards had been done before\n"
    status, _, err = call(f"filter {name} t.jsonl --out out --normalize nfd")
    assert status == 2
    assert "was filtered with other settings (the model was another)" in err


def test_a_kenlm_binary_needs_its_words_and_others_have_their_own_tokenizer(call, folder):
    shutil.copy(GOLDEN / "probing-tight.bin", folder / "tight.bin")
    status, _, err = call("filter tight.bin a.jsonl --out out")
    assert status == 2
    assert "tight.bin: was built without its words (build_binary -v), so they cannot be listed" in err
    status, _, err = call("filter m a.jsonl --out out --tokenizer char")
    assert (status, err) == (
        2, "nextword: --tokenizer and --normalize are for KenLM binary files; m is none, and has its own\n",
    )  # fmt: skip


def test_train_with_cc_nets_normalisation(call, folder):
    (folder / "t.txt").write_text("Cafés OPENED in 1984\n" * 4)
    options = "--order 2 --smoothing witten-bell --normalize ccnet"
    assert call(f"train ngram t.txt --out t {options}")[0] == 0
    lm = nextword.load("t")
    assert {"cafes", "opened", "0000"} <= set(lm.model.vocabulary)


def test_help(call):
    status, out, _ = call("filter --help")
    assert status == 0
    assert "Example: nextword filter" in out
