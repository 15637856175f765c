"""``nextword classify``: training by each method, predictions, reports, and what is said of bad input."""

import io
import json

import pytest

pytest.importorskip("sklearn")

from nextword.interfaces.cli import run  # noqa: E402
from nextword.tasks.classify.base import TextClassifier  # noqa: E402

ANIMALS = ["the cat purrs", "a dog barks at the cat", "the dog sleeps", "cats and dogs run", "a cat sleeps"]
CARS = ["the car stops", "a lorry brakes hard", "the engine stops", "cars and lorries queue", "a car queues"]


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [(text, "animal") for text in ANIMALS] + [(text, "car") for text in CARS]
    (tmp_path / "train.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows))
    (tmp_path / "test.tsv").write_text("a cat\tanimal\na lorry\tcar\nthe dog sleeps\tcar\n\n\tcar\n")
    (tmp_path / "animals.txt").write_text("\n".join(ANIMALS))
    (tmp_path / "cars.txt").write_text("\n".join(CARS))

    def call(*arguments):
        status = run(["classify", *map(str, arguments)])
        return status, *capsys.readouterr()

    return call


def train_bow(call, *options):
    return call("train", "bow", "train.tsv", "--out", "bow", "--features", "counts", "--model", "naive-bayes", *options)


def test_training_says_what_it_has_learnt(call, tmp_path):
    assert train_bow(call, "--valid", "test.tsv") == (
        0, "", "bow: 10 examples of 2 classes; accuracy of the held-out ones 50.00%\n",
    )  # fmt: skip
    config = json.loads((tmp_path / "bow" / "config.json").read_text())
    assert config["kind"] == "classify-bow"
    assert config["parameters"]["options"]["model"] == "naive-bayes"
    assert config["trained_on"][0]["path"] == "train.tsv"
    assert train_bow(call, "--quiet") == (0, "", "")


def test_a_file_for_each_class(call):
    files = ["animal=animals.txt", "car=cars.txt"]
    options = ["--order", 2, "--smoothing", "witten-bell", "--tokenizer", "whitespace", "--prior", "uniform"]
    status, out, err = call("train", "ngram", *files, "--out", "lms", *options)
    assert (status, out, err) == (0, "", "lms: 10 examples of 2 classes\n")
    assert TextClassifier.load("lms").predict(["the dog"]).tolist() == ["animal"]


def test_predictions_are_a_line_for_each_text(call, tmp_path):
    train_bow(call)
    (tmp_path / "asked.txt").write_text("a dog and a cat\n\nthe lorry stops\n")
    message = "1 of 3 texts are empty: they got the class that is likeliest without a text\n"
    assert call("predict", "bow", "asked.txt") == (0, "animal\nanimal\ncar\n", message)
    assert call("predict", "bow", "test.tsv", "--quiet") == (0, "animal\ncar\nanimal\nanimal\n", "")
    assert call("predict", "bow", "asked.txt", "--out", "predicted.tsv", "--probabilities") == (
        0, "", message + "wrote predicted.tsv: 3 predictions\n",
    )  # fmt: skip
    header, first, empty, _ = (tmp_path / "predicted.tsv").read_text().splitlines()
    assert (header, empty) == ("label\tanimal\tcar", "animal\t0.5\t0.5")
    shares = TextClassifier.load("bow").predict_proba(["a dog and a cat"])[0]
    assert first == f"animal\t{shares[0]:.6g}\t{shares[1]:.6g}"
    status, out, _ = call("predict", "bow", "asked.txt", "--json", "--probabilities")
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["animal", "animal", "car"]
    assert json.loads(out.splitlines()[0])["probabilities"] == {"animal": shares[0], "car": shares[1]}


def test_predictions_of_standard_input(call, monkeypatch):
    train_bow(call)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a cat\nan engine\n")))
    assert call("predict", "bow", "-") == (0, "animal\ncar\n", "")


def test_a_report(call, tmp_path):
    train_bow(call)
    status, out, err = call("evaluate", "bow", "test.tsv", "--mistakes", 1)
    assert (status, err) == (0, "")
    summary, classes, confusion, mistake = out.split("\n\n")
    assert summary.splitlines()[0].startswith("accuracy  50.00%  (95 % interval 0.00% to 100.00%, 4 examples)")
    assert summary.splitlines()[2] == "empty     1 texts, predicted as what is likeliest without a text"
    assert classes.splitlines()[2].split() == ["animal", "33.33", "100.00", "50.00", "1"]
    assert [line.split() for line in confusion.splitlines()[2:]] == [["animal", "1", "0"], ["car", "2", "1"]]
    share = TextClassifier.load("bow").predict_proba(["the dog sleeps"])[0, 0]
    assert mistake == f"test.tsv:3: car, predicted animal with probability {share:.4f}\n    the dog sleeps\n"
    status, out, _ = call("evaluate", "bow", "test.tsv", "--json")
    found = json.loads(out)
    assert (found["model"], found["accuracy"], found["empty"], found["examples"]) == ("bow", 0.5, 1, 4)
    assert found["confusion"] == [[1, 0], [2, 1]]
    assert [one["where"] for one in found["mistakes"]] == ["test.tsv:3", "test.tsv:5"]
    pytest.importorskip("matplotlib")
    status, _, err = call("evaluate", "bow", "test.tsv", "--plot", "confusion.png")
    assert (status, err) == (0, "wrote confusion.png\n")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_two_classifiers(call):
    train_bow(call)
    call("train", "bow", "train.tsv", "--out", "svm", "--model", "svm", "--quiet")
    status, out, _ = call("evaluate", "bow", "train.tsv", "--against", "svm")
    assert status == 0
    assert out.splitlines()[-1] == "svm: accuracy 100.00%, +0.00% (+0.00% to +0.00%, p = 1.000): which may be chance"
    status, out, _ = call("evaluate", "bow", "train.tsv", "--against", "svm", "--json")
    assert json.loads(out)["difference"] == {"accuracy": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0}


def test_many_classes_are_shown_by_their_confusions(call, tmp_path):
    (tmp_path / "many.tsv").write_text("".join(f"word{i}\tclass {i}\n" for i in range(20)))
    (tmp_path / "wrong.tsv").write_text("word1\tclass 2\nword1\tclass 2\nword3\tclass 3\n")
    call("train", "bow", "many.tsv", "--out", "many", "--quiet")
    status, out, _ = call("evaluate", "many", "wrong.tsv", "--mistakes", 0)
    assert status == 0
    assert out.splitlines()[-1].split() == ["class", "2", "class", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["train", "bow", "none.tsv", "--out", "m"], 1, "none.tsv: there is no such file; check the path"),
        (["train", "bow", "cars.txt", "--out", "m"], 2, "cars.txt: has no labels; give a .tsv, .csv, .jsonl or "
         ".parquet file, or label=cars.txt"),
        (["train", "bow", "car=cars.txt", "--out", "m"], 2, "all examples are of one class, 'car'; give examples of "
         "two or more classes"),
        (["train", "bow", "train.tsv", "--out", "cars.txt"], 1, "cars.txt: is a file, expected a directory; choose "
         "another name"),
        (["train", "bow", "train.tsv", "--out", "m", "--model", "knn"], 2, "unknown model 'knn'; choose one of "
         "logistic, naive-bayes, svm, tree, forest"),
        (["train", "bow", "train.tsv", "--valid", "odd.tsv", "--out", "m"], 1, "odd.tsv:2: the label 'ship' is unseen "
         "in training; expected one of 'animal', 'car'"),
        (["evaluate", "bow", "odd.tsv"], 1, "odd.tsv:2: the label 'ship' is unseen in training; expected one of "
         "'animal', 'car'"),
        (["evaluate", "bow", "bad.tsv"], 1, "bad.tsv:2: has 1 column, expected 2 as in line 1"),
        (["train", "bow", "headed.tsv", "--out", "m"], 1, "headed.tsv:1: the label 'mood' of the first row comes "
         "nowhere else; if the row is a header, name its columns of text and label; if it is an example, give their "
         "numbers, 1 and 2"),
        (["predict", "none", "cars.txt"], 1, None),
        (["train", "cnn", "train.tsv", "--out", "m", "--widths", "3,x"], 2, "--widths '3,x': give whole numbers, such "
         "as 3,4,5"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(call, tmp_path, arguments, status, message):
    train_bow(call)
    (tmp_path / "odd.tsv").write_text("a cat\tanimal\na boat\tship\n")
    (tmp_path / "headed.tsv").write_text("review\tmood\n" + "a cat\tanimal\na car\tcar\n" * 10)
    (tmp_path / "bad.tsv").write_text("a cat\tanimal\na boat\n")
    found, out, err = call(*arguments)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert message is None or err == f"nextword: {message}\n"


@pytest.mark.parametrize("method", ["cnn", "rnn"])
def test_networks_are_trained_by_the_one_loop(call, tmp_path, method):
    pytest.importorskip("torch")
    sizes = {"cnn": ["--maps", 4, "--widths", "1,2"], "rnn": ["--hidden-size", 8]}[method]
    options = ["--epochs", 2, "--embedding-size", 8, "--threads", 1, "--device", "cpu", "--precision", "float32"]
    status, out, err = call("train", method, "train.tsv", "--valid", "test.tsv", "--out", "net", *sizes, *options)
    assert (status, out) == (0, "")
    assert err.startswith("net: 10 examples of 2 classes; accuracy of the held-out ones ")
    assert (tmp_path / "net.training" / "metrics.jsonl").exists()
    loaded = TextClassifier.load("net")
    assert loaded.kind == f"classify-{method}"
    assert loaded.predict(["a cat"])[0] in ("animal", "car")


def test_an_encoder_has_to_be_named(call, tmp_path):
    pytest.importorskip("transformers")
    status, _, err = call("train", "encoder", "train.tsv", "--encoder", tmp_path / "none", "--out", "m")
    assert (status, err.count("\n")) == (1, 1)
    assert "none: is no directory; name one with" in err


def test_what_is_not_installed_is_said(call, monkeypatch):
    train_bow(call)
    monkeypatch.setattr("nextword.tasks.extras.find_spec", lambda name: None if name in ("sklearn", "jiwer") else name)
    message = "nextword: this needs sklearn, jiwer; install it with: pip install 'nextword[tasks]'\n"
    for command in (["predict", "bow", "cars.txt"], ["evaluate", "bow", "test.tsv"]):
        assert call(*command) == (2, "", message)
    assert train_bow(call) == (2, "", message)
