"""The recurrent classifier against PyTorch's bidirectional layers, row by row, and as a language model's heir."""

import numpy as np
import pytest
import torch

from nextword.errors import UsageError
from nextword.neural.families import build
from nextword.neural.reader import CELLS, POOLINGS, ReaderClassifier, ReaderSettings
from nextword.text.examples import padded

V, LEARNED, D, H, C = 9, 7, 5, 4, 3
TEXTS = [[3, 4, 5, 3, 4, 5, 5], [4], [5, 3], [1, 6, 3, 2]]


def network(*, vocab_size=V, learned=LEARNED, **given):
    torch.manual_seed(0)
    made = ReaderClassifier(
        ReaderSettings(**{"embedding_size": D, "sizes": (H,), **given}), vocab_size, C, learned=learned
    )
    for part in made.embedding:
        part.begin_with(torch.randn(vocab_size, part.given.shape[1] if len(part.given) else part.size))
    return made.eval()


def batch(texts):
    ids = padded([np.array(text, dtype=np.int64) for text in texts])
    return torch.from_numpy(ids), torch.tensor([len(text) for text in texts])


def both_ways(model, cell):
    """PyTorch's own layer that reads both ways, with the model's weights."""
    made = getattr(torch.nn, cell.upper())(model.embedding[0].size, H, bidirectional=True)
    with torch.no_grad():
        for stack, ending in ((model.forwards, ""), (model.backwards, "_reverse")):
            for name, weight in stack[0].cell.named_parameters():
                getattr(made, name + ending).copy_(weight)
    return made


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_by_pytorchs_layers_a_row_at_a_time(cell, pooling):
    model = network(cell=cell, pooling=pooling)
    layer = both_ways(model, cell)
    with torch.inference_mode():
        found = model(*batch(TEXTS))
        for row, text in zip(found, TEXTS, strict=True):
            hidden, _ = layer(model.embedding[0](torch.tensor(text))[:, None])  # (T, 1, 2 H)
            forwards, backwards = hidden[:, 0].split(H, dim=1)
            ends = {"last": (forwards[-1], backwards[0])}  # each has read the whole text there
            ends |= {"max": (forwards.amax(0), backwards.amax(0)), "mean": (forwards.mean(0), backwards.mean(0))}
            ends["concat"] = tuple(torch.cat([ends[name][i] for name in ("last", "max", "mean")]) for i in (0, 1))
            torch.testing.assert_close(model.output(torch.cat(ends[pooling])), row)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("ways", [True, False])
def test_a_row_alone_is_that_row_in_a_batch(pooling, ways):
    model = network(pooling=pooling, both_ways=ways, sizes=(H, H + 1), channels="multichannel")
    with torch.inference_mode():
        together = model(*batch(TEXTS))
        for row, text in zip(together, TEXTS, strict=True):
            torch.testing.assert_close(model(*batch([text]))[0], row)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("beside", [0, D])
def test_what_begins_as_a_language_model_reads_as_it_does(cell, beside):
    """A word that the language model lacks, 6, is its <unk>, 0; vectors beside its own change nothing at first."""
    torch.manual_seed(3)
    lm = build(cell, {"embedding_size": 3, "hidden_size": H, "layers": 2}, LEARNED - 1, 1).eval()
    channels = "static" if beside else "random"
    model = network(cell=cell, sizes=(H, H), started=3, embedding_size=beside, channels=channels, both_ways=False)
    model.start_from(lm)
    ids, lengths = batch([[1, 3, 4, 6, 5, 2]])
    with torch.inference_mode():
        vectors = torch.cat([part(ids.t()) for part in model.embedding], dim=-1)
        expected, _ = lm(ids.where(ids != 6, 0), lm.initial_state(1))
        torch.testing.assert_close(model._read(model.forwards, vectors).transpose(0, 1), expected)
        assert vectors.shape[-1] == 3 + beside
        assert model(ids, lengths).shape == (1, C)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cell": "rnn"}, "cell='rnn': expected one of gru, lstm"),
        ({"pooling": "sum"}, "pooling='sum': expected one of last, mean, max, concat"),
        ({"sizes": []}, "sizes=(): expected the hidden units of each layer, such as (100,)"),
        ({"embedding_size": 0}, "embedding_size=0: expected a whole number of 1 or more"),
        ({"cell": "gru", "weight_drop": 0.5}, "weight_drop=0.5: only an lstm has it; a gru needs 0"),
    ],
)
def test_settings_that_make_no_sense(given, message):
    with pytest.raises(UsageError) as caught:
        ReaderSettings(**given)
    assert str(caught.value) == message
