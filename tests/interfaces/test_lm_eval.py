"""EleutherAI's evaluation harness with our class: its log-likelihoods are those of ``nextword score``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lm_eval")

import nextword  # noqa: E402
from nextword.errors import TextError, UsageError  # noqa: E402
from nextword.interfaces.cli import run  # noqa: E402

LINES = ["students opened their books", "pupils opened their minds", "the teacher read it", "it rained"] * 10
TEXT = "students opened their minds\nthe cat read it\n\nit rained\n"  # an unknown word and a blank line among them
SMALL = {"embedding_size": 16, "hidden_size": 16, "batch_size": 2, "bptt": 8, "steps": 80, "lr": 0.02, "threads": 1}
TOLERANCE = {"ngram": 1e-6, "characters": 1e-6, "lstm": 1e-4}
TASKS = "nextword_text,nextword_lines,nextword_pairs"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Directories of models by name; one has a token a character."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("models")
    text = folder / "train.txt"
    text.write_text("\n".join(LINES) + "\n")
    nextword.train(text, order=3, smoothing="witten-bell").save(folder / "ngram")
    nextword.train(text, order=4, tokenizer="char", smoothing="witten-bell").save(folder / "characters")
    nextword.train(text, kind="lstm", seed=1, device="cpu", precision="float32", **SMALL).save(folder / "lstm")
    nextword.train(text, order=3, smoothing="stupid-backoff").save(folder / "scores")
    return {name: folder / name for name in (*TOLERANCE, "scores")}


@pytest.fixture(scope="module")
def served(models):
    """The address of our server of them."""
    for module in ("fastapi", "uvicorn", "aiohttp", "tenacity"):
        pytest.importorskip(module)
    from interfaces.server.running import running

    with running({name: nextword.load(models[name]) for name in TOLERANCE}) as address:
        yield address


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """The environment of a program that must not look for anything elsewhere."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("LMEVAL_LOG_LEVEL", "ERROR")
    monkeypatch.setenv("no_proxy", "*")


def ask(model, method, requests, **args):
    """The answers of our class."""
    from lm_eval.api.instance import Instance

    from nextword.interfaces.lm_eval import NextwordLM

    instances = [Instance(method, {}, tuple(request), i) for i, request in enumerate(requests)]
    return getattr(NextwordLM(model), method)(instances, disable_tqdm=True)


def ask_theirs(*questions):
    """The answers of the harness's own models, in a process of their own."""
    program = [sys.executable, "-W", "ignore", HERE / "harness_questions.py"]
    done = subprocess.run(program, input=json.dumps(questions), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def harness(*arguments, program="nextword.interfaces.lm_eval"):
    """Run the harness's command line, with our model and tasks or as it is."""
    command = [sys.executable, "-m", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stdout + done.stderr


def figures(folder):
    """The results that the harness has written into a folder, by task."""
    (file,) = folder.rglob("results_*.json")
    return json.loads(file.read_text())["results"]


def samples(folder, task):
    """What it has written of each document of a task."""
    (file,) = folder.rglob(f"samples_{task}_*.jsonl")
    rows = [json.loads(row) for row in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: row["doc_id"])


def score(model, text, folder):
    """The log-probabilities, nats, that ``nextword score`` gives the tokens of a text, line by line."""
    (folder / "scored.txt").write_text(text)
    out = folder / "scored.jsonl"
    call = ["score", model, folder / "scored.txt", "--surprisal-only", "--format", "jsonl", "--out", out, "--quiet"]
    assert run([str(word) for word in call]) == 0
    lines = {}
    for row in map(json.loads, out.read_text().splitlines()):
        lines.setdefault(row["sentence_id"], []).append(-row["surprisal"] * np.log(2))
    return list(lines.values())


# One log-likelihood in terms of the other: (context, continuation, which of the tokens of their lines are scored).
PARTS = [
    ("", "students opened their books", slice(0, 4)),
    ("", "students opened their books\n", slice(0, 5)),
    ("students opened their", " books", slice(3, 4)),
    ("students opened their ", "books", slice(3, 4)),
    ("students opened their", " minds\n", slice(3, 5)),
    ("the teacher", " read the cat\n", slice(2, 6)),
    ("it rained\nit", " rained", slice(4, 5)),
    ("it rained\n", "it rained", slice(2, 5)),  # the newline, which is a blank, belongs to what follows
    ("students opened their bo", "oks", slice(3, 4)),  # a word that both have made
    ("it rained", "", slice(0, 0)),
]


@pytest.mark.parametrize("name", ["ngram", "lstm"])
def test_log_likelihoods_are_those_of_score(models, tmp_path, name):
    found = ask(models[name], "loglikelihood", [part[:2] for part in PARTS])
    for (context, continuation, scored), (log_likelihood, _) in zip(PARTS, found, strict=True):
        tokens = sum(score(models[name], context + continuation, tmp_path), [])
        assert log_likelihood == pytest.approx(sum(tokens[scored]), abs=TOLERANCE[name]), (context, continuation)


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_document_has_the_sum_of_its_lines(models, tmp_path, name):
    found = ask(models[name], "loglikelihood_rolling", [[TEXT], [TEXT.rstrip()], ["\n"], [""]])
    lines = score(models[name], TEXT, tmp_path)
    whole = sum(map(sum, lines))
    expected = [whole, whole - lines[-1][-1], score(models[name], "\n", tmp_path)[0][0], 0.0]
    assert found == pytest.approx(expected, abs=TOLERANCE[name])


def test_characters_within_a_word(models, tmp_path):
    ((found, _),) = ask(models["characters"], "loglikelihood", [["students ope", "ned"]])
    (line,) = score(models["characters"], "students opened", tmp_path)
    assert found == pytest.approx(sum(line[-4:-1]), abs=1e-6)


@pytest.mark.parametrize("name", ["ngram", "lstm"])
def test_greedy_is_what_ranks_first(models, name):
    lm = nextword.load(models[name])
    likeliest = lm.generate("students", temperature=0, max_tokens=3)[0]
    asked = [(likeliest, 1), (likeliest + "\n", 1), (likeliest + " rained", 1), ("it rained", 0), ("rained", 0)]
    requests = [("".join(words[:n]), " ".join(["", *words[n:]])) for words, n in ((t.split(" "), n) for t, n in asked)]
    found = ask(models[name], "loglikelihood", requests)
    for (text, n), (_, greedy) in zip(asked, found, strict=True):
        ranks = [step.rank for step in lm.steps(text.rstrip("\n"))][n : None if text.endswith("\n") else -1]
        assert greedy == (max(ranks) == 1), text
    assert found[0][1] and not all(greedy for _, greedy in found)


@pytest.mark.parametrize("name", TOLERANCE)
def test_texts_are_those_of_generate(models, name):
    lm = nextword.load(models[name])
    contexts = ["students", "the teacher", "", "it rained\nthe", "students"]
    (end,) = lm.generate("students", temperature=0, max_tokens=20)
    stop = end[len("students") :][2:5]  # something within the text
    options = [{"until": ["\n"], "max_gen_toks": 20}] * 4 + [{"until": ["nowhere", stop], "max_gen_toks": 20}]
    found = ask(models[name], "generate_until", zip(contexts, options, strict=True))
    alone = [lm.generate(context, temperature=0, max_tokens=20)[0][len(context) :] for context in contexts[:3]]
    assert found[:3] == alone
    assert found[4] == alone[0].partition(stop)[0] and stop
    if name == "ngram":  # a model of sentences has forgotten the line before
        assert found[3] == lm.generate("the", temperature=0, max_tokens=20)[0][len("the") :]


def test_samples_are_those_of_their_seed(models):
    options = {"until": [], "do_sample": True, "temperature": 2.0, "max_gen_toks": 12}
    requests = [["the", options | {"seed": seed}] for seed in (1, 1, 2)]
    first, again = (ask(models["ngram"], "generate_until", requests) for _ in range(2))
    assert first == again
    assert len(set(first)) > 1


def test_the_harness_has_the_same_of_a_pretrained_model(tmp_path, offline):
    """A model of its ecosystem through the harness's own class and through ours."""
    directory = a_pretrained_model(tmp_path / "gpt2")
    requests = [["the students", " opened their books"], ["", "the pupils"], ["the scholars, they ", "say"]]
    begun = [[f"<|end|>{context}" if context else "", continuation] for context, continuation in requests]
    theirs = {"model": "hf", "args": {"pretrained": str(directory), "device": "cpu", "dtype": "float32"}}
    (expected,) = ask_theirs({**theirs, "method": "loglikelihood", "requests": begun})
    np.testing.assert_allclose(ask(directory, "loglikelihood", requests), expected, atol=1e-4)


def a_pretrained_model(directory):
    """A random GPT-2 of a few thousand weights, with a tokenizer of bytes' pieces."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    tokenizer.train_from_iterator(["the students opened their books", "the scholars, they say"], trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|end|>", eos_token="<|end|>")
    fast.save_pretrained(directory)
    torch.manual_seed(0)
    config = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32, "bos_token_id": 0, "eos_token_id": 0}
    config = transformers.GPT2Config(vocab_size=len(fast), **config)
    network = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
    network.save_pretrained(directory)
    return directory


def test_tasks_from_the_command_line(models, tmp_path, offline):
    """All three in one run of the harness's program: from files to its table of figures."""
    text = "\n".join(LINES[:6]) + "\n\n"
    pairs = [("it rained", "rained it"), ("minds opened", "opened minds"), ("the teacher read it", "read it the")]
    (tmp_path / "test.txt").write_text(text)
    (tmp_path / "pairs.tsv").write_text("".join(f"{good}\t{bad}\n" for good, bad in pairs))
    named = [f"text={tmp_path / 'test.txt'}", f"pairs={tmp_path / 'pairs.tsv'}"]
    out = ["--output_path", tmp_path / "out", "--log_samples"]
    harness("--model_args", f"directory={models['ngram']}", "--tasks", TASKS, "--metadata", *named, *out)

    found = figures(tmp_path / "out")
    expected = nextword.load(models["ngram"]).evaluate(tmp_path / "test.txt")
    for task in ("nextword_text", "nextword_lines"):
        assert found[task]["word_perplexity,none"] == pytest.approx(expected.word_perplexity, rel=1e-6)
        assert found[task]["bits_per_byte,none"] == pytest.approx(expected.bits_per_byte, rel=1e-6)
        assert found[task]["byte_perplexity,none"] == pytest.approx(2**expected.bits_per_byte, rel=1e-6)
    rows = samples(tmp_path / "out", "nextword_lines")
    assert [row["doc"]["text"] for row in rows] == text.splitlines(keepends=True)
    sums = list(map(sum, score(models["ngram"], text, tmp_path)))
    assert [float(row["resps"][0][0]) for row in rows] == pytest.approx(sums, abs=1e-6)

    scores = [[sum(score(models["ngram"], line, tmp_path)[0]) for line in pair] for pair in pairs]
    answers = [[answer[0][0] for answer in row["resps"]] for row in samples(tmp_path / "out", "nextword_pairs")]
    np.testing.assert_allclose(np.array(answers, dtype=float), scores, atol=1e-6)
    assert found["nextword_pairs"]["acc,none"] == pytest.approx(np.mean([good > bad for good, bad in scores]))


class TestServer:
    """The harness's own model ``local-completions`` and our server, in place of our class."""

    @staticmethod
    def question(address, name, method, requests, **args):
        given = {"base_url": f"{address}/v1/completions", "model": name, **args}
        return {"model": "local-completions", "args": given, "method": method, "requests": requests}

    def test_both_give_the_same(self, models, served, tmp_path, offline):
        contexts = ["students", "the teacher", "it rained\nthe"]
        requests = {
            "loglikelihood": [
                part[:2] for part in PARTS if part[1] and part[:2] != ("students opened their bo", "oks")
            ],
            "loglikelihood_rolling": [[TEXT], [TEXT.rstrip()]],
            "generate_until": [[context, {"until": ["\n"], "max_gen_toks": 20}] for context in contexts],
        }
        forms = {"loglikelihood": {"batch_size": 4}, "loglikelihood_rolling": {}, "generate_until": {}}
        names = ["ngram", "lstm"]
        asked = [(name, method) for name in names for method in requests]
        found = ask_theirs(*(self.question(served, *one, requests[one[1]], **forms[one[1]]) for one in asked))
        for (name, method), theirs in zip(asked, found, strict=True):
            ours = ask(models[name], method, requests[method])
            if method == "generate_until":
                assert theirs == ours
            else:
                np.testing.assert_allclose(np.array(theirs), np.array(ours), atol=TOLERANCE[name], rtol=0)

    def test_tasks_from_the_command_line(self, models, served, tmp_path, offline):
        """The program as it is, told where our tasks are; log-likelihoods are those of ``nextword score``."""
        from nextword.interfaces.lm_eval import TASKS as FOLDER

        (tmp_path / "pairs.tsv").write_text("it rained\trained it\nthe teacher read it\tit read the teacher\n")
        named = ["--include_path", FOLDER, "--metadata", f"pairs={tmp_path / 'pairs.tsv'}"]
        out = ["--output_path", tmp_path / "out", "--log_samples"]
        args = f"base_url={served}/v1/completions,model=lstm"
        harness(
            "--model",
            "local-completions",
            "--model_args",
            args,
            "--tasks",
            "nextword_pairs",
            *named,
            *out,
            program="lm_eval",
        )
        for row in samples(tmp_path / "out", "nextword_pairs"):
            lines = [row["doc"]["good"], row["doc"]["bad"]]
            expected = [sum(score(models["lstm"], line, tmp_path)[0]) for line in lines]
            assert [float(answer[0][0]) for answer in row["resps"]] == pytest.approx(expected, abs=1e-4)

    def test_texts_without_a_tokenizer(self, served, models, offline):
        requests = [[context, {"until": ["\n"], "max_gen_toks": 20}] for context in ("students", "the teacher")]
        (found,) = ask_theirs(self.question(served, "ngram", "generate_until", requests, tokenizer_backend=None))
        assert found == ask(models["ngram"], "generate_until", requests)


def test_what_is_wrong_is_said_in_a_line(monkeypatch):
    from nextword.interfaces.lm_eval import __main__ as program

    def fail():
        raise UsageError(" ".join(sys.argv[:4]))

    monkeypatch.setattr(program, "cli_evaluate", fail)
    monkeypatch.setattr(sys, "argv", [])
    with pytest.raises(SystemExit) as error:
        program.main(["--tasks", "nextword_text"])
    assert error.value.code == "nextword: lm_eval run --model nextword"
    with pytest.raises(SystemExit) as error:
        program.main(["ls", "tasks"])
    assert error.value.code.startswith("nextword: lm_eval ls --include_path ")


class TestDocuments:
    """The files that tasks read."""

    @pytest.fixture(autouse=True)
    def documents(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        self.documents = pytest.importorskip("nextword.interfaces.lm_eval.documents")
        self.file = tmp_path / "file"

    def test_a_file_must_be_named(self):
        with pytest.raises(UsageError) as error:
            self.documents.whole_text(directory="wiki5")
        assert str(error.value) == "the task nextword_text needs a file; name it with: --metadata text=FILE"

    def test_the_two_forms_of_pairs(self):
        self.file.write_text("a b\tb a\n")
        tabs = self.documents.minimal_pairs(pairs=str(self.file))["test"][0]
        file = self.file.with_suffix(".jsonl")
        for names in (("good", "bad"), ("sentence_good", "sentence_bad")):
            file.write_text(json.dumps(dict(zip(names, ("a b", "b a"), strict=True))))
            assert self.documents.minimal_pairs(pairs=str(file))["test"][0] == tabs == {"good": "a b\n", "bad": "b a\n"}

    def test_equally_likely_sentences_are_half_right(self):
        certain, none = (-1.5, False), (-np.inf, False)
        answers = [[certain, none], [none, certain], [certain, certain], [none, none]]
        assert [self.documents.accuracy({}, pair)["acc"] for pair in answers] == [1.0, 0.0, 0.5, 0.5]

    @pytest.mark.parametrize(
        ("content", "task", "message"),
        [
            (b"", "whole_text", ": the file is empty: there is nothing to score; give one with at least one line"),
            (b"one\n\xff\n", "lines", ":2: this is not UTF-8; convert the file"),
            (b"a\tb\nc\n", "pairs", ":2: expected a good sentence, a tab and a bad one, got 'c'"),
            (b'{"good": 1}', "json", ':1: expected {"good": "…", "bad": "…"}, got \'{"good": 1}\''),
            (b"[]", "json", ':1: expected {"good": "…", "bad": "…"}, got \'[]\''),
        ],
    )
    def test_files_that_cannot_be_read(self, content, task, message):
        file = self.file.with_suffix(".jsonl") if task == "json" else self.file
        file.write_bytes(content)
        read = getattr(self.documents, "minimal_pairs" if task in ("pairs", "json") else task)
        with pytest.raises(TextError) as error:
            read(text=str(file), pairs=str(file))
        assert str(error.value) == f"{file}{message}"


def test_scores_are_refused(models):
    from nextword.interfaces.lm_eval import NextwordLM

    with pytest.raises(UsageError) as error:
        NextwordLM(models["scores"])
    assert str(error.value) == (
        "a stupid-backoff model gives scores, no probabilities, so the harness cannot evaluate it; train one with "
        "another smoothing"
    )


def test_without_the_harness_it_says_what_to_install():
    program = "import sys; sys.modules['lm_eval'] = None; import nextword.interfaces.lm_eval"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: nextword.interfaces.lm_eval is for EleutherAI's evaluation harness, which is not "
        "installed; install it with: pip install 'lm_eval[api]'"
    )
