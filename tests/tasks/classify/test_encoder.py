"""Logistic regression on a frozen encoder's vectors: the pipeline by hand, and a model that needs nothing beside it."""

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
transformers = pytest.importorskip("transformers")

import tokenizers  # noqa: E402
import torch  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from tokenizers import models, pre_tokenizers, processors  # noqa: E402

from nextword.errors import StoreError, UsageError  # noqa: E402
from nextword.tasks.classify.base import TextClassifier  # noqa: E402
from nextword.tasks.classify.encoder import EncoderClassifier  # noqa: E402

WORDS = "[PAD] [UNK] [CLS] [SEP] the cat dog purrs barks sleeps car lorry engine stops brakes".split()  # noqa: SIM905
TEXTS = ["the cat purrs", "the dog barks", "the cat sleeps", "dog sleeps", "the car stops", "lorry brakes", "engine stops"]  # fmt: skip  # noqa: E501
LABELS = ["animal"] * 4 + ["car"] * 3


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A directory with a BERT of random weights."""
    directory = tmp_path_factory.mktemp("encoder")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **sizes)
        transformers.BertModel(config).save_pretrained(directory)
    tokenizer = tokenizers.Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_is_logistic_regression_on_the_vectors(encoder, pooling):
    found = EncoderClassifier(encoder=str(encoder), pooling=pooling, device="cpu", threads=1).fit(TEXTS, LABELS)
    vectors = found.encoder_.vectors(TEXTS, pooling=pooling)
    theirs = LogisticRegression(max_iter=10_000).fit(vectors, LABELS)
    np.testing.assert_allclose(found.predict_proba(TEXTS), theirs.predict_proba(vectors), atol=1e-6)
    assert found.predict([*TEXTS, ""])[-1] == "animal"
    long = found.predict(["the " * 50, "cat"])
    assert (len(long), found.truncated_) == (2, 1)
    assert clone(found).get_params() == found.get_params()


def test_a_stored_one_needs_nothing_beside_it(encoder, tmp_path):
    copied = tmp_path / "encoder"
    shutil.copytree(encoder, copied)
    fitted = EncoderClassifier(encoder=str(copied), device="cpu", threads=1).fit(TEXTS, LABELS)
    fitted.save(tmp_path / "model")
    expected = fitted.predict_log_proba(TEXTS)
    shutil.rmtree(copied)
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    loaded = TextClassifier.load(tmp_path / "elsewhere")
    np.testing.assert_array_equal(loaded.predict_log_proba(TEXTS), expected)
    with pytest.raises(StoreError, match="is no directory"):  # to be trained anew it needs the encoder again
        loaded.fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": None}, "no encoder was named; give the directory of one, with its safetensors and tokenizer.json"),
        ({"pooling": "max"}, "unknown pooling 'max'; choose one of mean, cls"),
        ({"C": 0.0}, "C is 0.0, batch_size 64; they must be above 0, and 1 or more"),
    ],
)
def test_impossible_options_are_refused(encoder, options, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        EncoderClassifier(**{"encoder": str(encoder)} | options).fit(TEXTS, LABELS)


def test_an_encoder_and_weights_of_different_sizes_are_refused(encoder):
    fitted = EncoderClassifier(encoder=str(encoder), device="cpu", threads=1).fit(TEXTS, LABELS)
    arrays = fitted.arrays() | {"fitted.weights": np.zeros((2, 3))}
    with pytest.raises(UsageError, match="^its encoder and its classifier do not fit together; train or copy .*"):
        EncoderClassifier.from_arrays(fitted.parameters(), arrays, fitted.vocabulary)
