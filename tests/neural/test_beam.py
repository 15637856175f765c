"""Beam search over an encoder–decoder, against all sentences that there are and against greedy decoding."""

import itertools

import pytest
import torch

from nextword.neural.beam import beam_search
from nextword.neural.seq2seq import Seq2Seq, Seq2SeqSettings

UNK, BOS, EOS, V = 0, 1, 2, 6
SOURCES = torch.tensor([[3, 4, 5, 2], [5, 2, -1, -1], [2, -1, -1, -1]])
LENGTHS = torch.tensor([4, 2, 1])


def network(seed=0, spread=1.5, **settings):
    torch.manual_seed(seed)
    made = Seq2Seq(Seq2SeqSettings(**{"embedding_size": 4, "hidden_size": 6, **settings}), V, V, excluded=BOS).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, spread)
    return made.eval()


def search(made, rows=(0, 1, 2), limit=4, **options):
    rows = list(rows)
    memory = made.encode(SOURCES[rows][:, : int(LENGTHS[rows].max())], LENGTHS[rows])
    limits = torch.full((len(rows),), limit)
    with torch.inference_mode():
        return beam_search(made, memory, limits, bos=BOS, eos=EOS, forbidden=[UNK], **options)


@torch.no_grad()
def log_prob(made, row, ids):
    """Of ids, the last of which may be ``</s>``, by reading them all at once."""
    memory = made.encode(SOURCES[[row], : LENGTHS[row]], LENGTHS[[row]])
    vectors = made(torch.tensor([[BOS, *ids[:-1]]]), memory, made.start(memory)).vectors[0]
    return float(made.output.log_probs(vectors)[range(len(ids)), list(ids)].sum())


def all_sentences(limit):
    """Everything of up to ``limit`` tokens that ends in ``</s>``, or does not end and has as many."""
    words = [i for i in range(V) if i not in (UNK, BOS, EOS)]
    for n in range(limit):
        yield from ((*some, EOS) for some in itertools.product(words, repeat=n))
    yield from itertools.product(words, repeat=limit)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_what_enumeration_finds(seed, penalty):
    made = network(seed, attention=["luong", "bahdanau", "none", "luong-dot"][seed])
    found = search(made, limit=3, beam=40, best=5, length_penalty=penalty)
    for row in range(3):
        scored = [(log_prob(made, row, ids), ids) for ids in all_sentences(3)]
        ranked = sorted(((p / ((5 + len(ids)) / 6) ** penalty, p, ids) for p, ids in scored), reverse=True)[:5]
        for one, (score, total, ids) in zip(found[row], ranked, strict=True):
            assert one.ids == tuple(i for i in ids if i != EOS)
            assert one.finished == (ids[-1] == EOS)
            assert one.log_prob == pytest.approx(total, abs=1e-9)
            assert one.score == pytest.approx(score, abs=1e-9)


def test_the_search_does_not_end_while_a_longer_sentence_can_still_win():
    for seed in range(3):
        made = network(seed, spread=0.8)
        found = search(made, [1], limit=5, beam=300, length_penalty=3.0)[0][0]
        ranked = max((log_prob(made, 1, ids) / ((5 + len(ids)) / 6) ** 3.0, ids) for ids in all_sentences(5))
        assert found.ids == tuple(i for i in ranked[1] if i != EOS)
        assert len(found.ids) >= 4


def greedy(made, row, limit):
    ids = []
    while len(ids) < limit and (not ids or ids[-1] != EOS):
        totals = {i: log_prob(made, row, [*ids, i]) for i in range(V) if i not in (UNK, BOS)}
        ids.append(max(totals, key=totals.get))
    return tuple(ids)


@pytest.mark.parametrize(
    "settings", [{}, {"cell": "gru", "input_feeding": True}, {"attention": "bahdanau", "layers": 2}]
)
def test_a_beam_of_one_is_greedy(settings):
    for seed in range(6):
        made = network(seed, **settings)
        for row, hypotheses in enumerate(search(made, limit=7, beam=1)):
            ids = greedy(made, row, 7)
            assert hypotheses[0].ids == tuple(i for i in ids if i != EOS)
            assert hypotheses[0].finished == (ids[-1] == EOS)
            assert hypotheses[0].log_prob == pytest.approx(log_prob(made, row, ids), abs=1e-9)


@pytest.mark.parametrize("beam", [1, 3, 5])
def test_a_sentence_among_others_is_that_sentence_alone(beam):
    for seed, settings in enumerate([{}, {"input_feeding": True}, {"attention": "bahdanau"}, {"attention": "none"}]):
        made = network(seed, **settings)
        together = search(made, limit=6, beam=beam, best=min(beam, 2))
        for row in range(3):
            alone = search(made, [row], limit=6, beam=beam, best=min(beam, 2))[0]
            assert [one[0] for one in together[row]] == [one[0] for one in alone]
            assert [one.score for one in together[row]] == pytest.approx([one.score for one in alone])


def test_what_never_ends_is_cut_off_at_its_limit():
    made = network()
    with torch.no_grad():
        made.output.bias[EOS] = -1e9
    found = search(made, limit=5, beam=3)
    assert [(len(one[0].ids), one[0].finished) for one in found] == [(5, False)] * 3


def test_an_end_at_once_is_an_empty_sentence():
    made = network()
    with torch.no_grad():
        made.output.bias[EOS] = 1e3
    found = search(made, limit=5, beam=3)
    assert [(one[0].ids, one[0].finished, one[0].places) for one in found] == [((), True, ())] * 3


def test_places_are_where_attention_is_strongest():
    made = network(3)
    for row, hypotheses in enumerate(search(made, limit=6, beam=4)):
        one = hypotheses[0]
        memory = made.encode(SOURCES[[row], : LENGTHS[row]], LENGTHS[[row]])
        with torch.no_grad():
            weights = made(torch.tensor([[BOS, *one.ids]]), memory, made.start(memory)).weights[0]
        assert list(one.places) == weights.argmax(dim=1)[: len(one.ids)].tolist()


def test_a_wider_beam_ranks_no_worse_than_the_greedy_sentence():
    for seed in range(8):
        made = network(seed)
        narrow, wide = (search(made, limit=6, beam=beam, length_penalty=0.6) for beam in (1, 60))
        assert all(w[0].score >= n[0].score - 1e-9 for n, w in zip(narrow, wide, strict=True))
