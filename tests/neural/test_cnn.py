"""The convolutional classifier against its definition in loops, and that neither padding nor other rows matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.neural.cnn import CnnClassifier, CnnSettings
from nextword.neural.word_channels import CHANNELS, WordChannels, drop_words
from nextword.text.examples import padded

V, LEARNED, D, C = 9, 6, 4, 3
TEXTS = [[3, 4, 5, 3, 4, 5, 5], [4], [5, 3], [], [2, 3, 4, 5, 0]]


def network(channels="random", **given):
    torch.manual_seed(0)
    made = CnnClassifier(CnnSettings(channels, D, (2, 3, 5), 4, **given), V, C, learned=LEARNED)
    made.embedding.begin_with(torch.randn(V, D))
    return made.eval()


def batch(texts):
    ids = padded([np.array(text, dtype=np.int64) for text in texts])
    return torch.from_numpy(ids), torch.tensor([len(text) for text in texts])


def by_hand(model, text):
    """Kim's equations 1 to 4 in loops: windows over the text with w - 1 zeros on either side; ReLU; the largest."""
    vectors = model.embedding(torch.tensor(text, dtype=torch.int64)).detach().double().numpy()  # (n, D)
    features = []
    for layer in model.filters:
        weight, bias = (value.detach().double().numpy() for value in (layer.weight, layer.bias))
        width = weight.shape[2]
        zeros = np.zeros((width - 1, vectors.shape[1]))
        wide = np.concatenate([zeros, vectors, zeros])
        for filter_, b in zip(weight, bias, strict=True):  # (D, w)
            places = range(len(text) + width - 1 if text else 0)
            values = [max(0.0, b + sum(filter_[:, k] @ wide[i + k] for k in range(width))) for i in places]
            features.append(max(values, default=0.0))
    rows, bias = model.output.weight.detach().double().numpy(), model.output.bias.detach().double().numpy()
    limit = model.settings.max_norm
    if limit is not None:
        rows = np.array([row * min(1.0, limit / np.linalg.norm(row)) for row in rows])
    return rows @ features + bias


@pytest.mark.parametrize("channels", CHANNELS)
def test_logits_by_the_definition(channels):
    model = network(channels)
    with torch.inference_mode():
        found = model(*batch(TEXTS)).numpy()
    for row, text in zip(found, TEXTS, strict=True):
        assert row == pytest.approx(by_hand(model, text), abs=1e-5)


@pytest.mark.parametrize("limit", [None, 0.5])
def test_weights_of_a_class_are_no_longer_than_they_may_be(limit):
    model = network(max_norm=limit)
    with torch.no_grad():
        model.output.weight[0] *= 10
        model.output.weight[1] *= 0.01  # short enough: it stays
        found = model(*batch(TEXTS)).numpy()
    assert found[0] == pytest.approx(by_hand(model, TEXTS[0]), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, V - 1), max_size=9), min_size=2, max_size=5), st.sampled_from(CHANNELS))
def test_a_row_alone_is_that_row_in_a_batch(texts, channels):
    texts[0] = texts[0] or [3]  # a batch has a column
    model = network(channels)
    with torch.inference_mode():
        together = model(*batch(texts))
        for row, text in zip(together, texts, strict=True):
            ids, lengths = batch([text or [-1]])
            torch.testing.assert_close(model(ids, lengths if text else lengths * 0)[0], row, rtol=1e-5, atol=1e-6)


def test_which_vectors_are_learnt():
    vectors = torch.randn(V, D)
    ids = torch.tensor([[3, 4, 7]])  # 7 is no word of the training text
    for channels in CHANNELS:
        words = WordChannels(channels, vocab_size=V, learned=LEARNED, size=D)
        words.begin_with(vectors)
        assert words(ids).shape == (1, 3, words.size)
        names = [name for name, _ in words.named_parameters()]
        assert names == ([] if channels == "static" else ["tuned.weight"])
        first = words(ids)[0, :, :D]
        expected = vectors[[3, 4, 0 if channels == "random" else 7]]  # learnt alone: what is unknown is <unk>
        torch.testing.assert_close(first, expected)
        if channels == "multichannel":
            torch.testing.assert_close(words(ids)[0, :, D:], vectors[ids[0]])
        if names:
            words(ids).sum().backward()
            moved = words.tuned.weight.grad.abs().sum(dim=1) > 0
            assert moved.nonzero().flatten().tolist() == ([0, 3, 4] if channels == "random" else [3, 4])


def test_padding_has_no_vector():
    for channels in CHANNELS:
        words = WordChannels(channels, vocab_size=V, learned=LEARNED, size=D)
        assert (words(torch.tensor([[-1, 3]]))[0, 0] == 0).all()


def test_words_are_dropped_and_padding_is_not():
    torch.manual_seed(1)
    ids = torch.full((100, 100), 5)
    ids[:, 50:] = -1
    found = drop_words(ids, 0.3)
    assert set(found[:, :50].unique().tolist()) == {0, 5}
    assert (found[:, :50] == 0).float().mean() == pytest.approx(0.3, abs=0.03)
    assert (found[:, 50:] == -1).all()
    assert drop_words(ids, 0.0) is ids


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channels": "wide"}, "channels='wide': expected one of random, static, fine-tuned, multichannel"),
        ({"widths": ()}, "widths=(): expected whole numbers of 1 or more, such as (3, 4, 5)"),
        ({"widths": [3, 0]}, "widths=(3, 0): expected whole numbers of 1 or more, such as (3, 4, 5)"),
        ({"maps": 0}, "maps=0: expected a whole number of 1 or more"),
        ({"dropout": 1.0}, "dropout=1.0: expected the share to drop, from 0 to below 1"),
        ({"max_norm": 0.0}, "max_norm=0.0: expected a number above 0, or None for no limit"),
    ],
)
def test_settings_that_make_no_sense(given, message):
    with pytest.raises(UsageError) as caught:
        CnnSettings(**given)
    assert str(caught.value) == message
