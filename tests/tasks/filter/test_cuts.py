"""Cut points: percentiles by hand, samples that are fair, and the buckets they make."""

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.tasks.filter.cuts import SHARDS_READ, cut_points, reservoir
from nextword.tasks.filter.documents import Documents
from nextword.tasks.filter.measures import Measures, measure
from nextword.tasks.filter.settings import Cut, FilterSettings, Limit
from nextword.tasks.filter.shards import plan
from nextword.tasks.filter.sorting import sort
from tasks.filter.small import TEXTS, model, write_jsonl


def percentile(values, q):
    """Linear interpolation between the closest ranks, by its definition."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def perplexities(lm, texts):
    """Those that are there."""
    found = measure(lm, Documents.from_texts([text.encode() for text in texts])).perplexity
    return found[np.isfinite(found)].tolist()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_points_of_all_documents(tmp_path, name):
    lm = model()
    write_jsonl(tmp_path / "a.jsonl")
    if name != "a.jsonl":
        import gzip

        import zstandard

        pack = gzip.compress if name.endswith("gz") else zstandard.compress
        (tmp_path / name).write_bytes(pack((tmp_path / "a.jsonl").read_bytes()))
    settings = FilterSettings(cut=Cut(percentiles=(30, 60)))
    points, drawn = cut_points(lm, plan([tmp_path / name], tmp_path / "out"), settings)
    values = perplexities(lm, TEXTS)
    assert points == pytest.approx([percentile(values, 30), percentile(values, 60)])
    assert points == pytest.approx(np.percentile(values, [30, 60]).tolist())
    assert drawn == len(values) == len(TEXTS) - 1


def test_a_sample_is_seeded_and_spread_over_shards(tmp_path):
    lm = model()
    rng = random.Random(5)
    words = ["students", "opened", "their", "books", "zz"]
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(400)]
    for i in range(4):
        write_jsonl(tmp_path / f"{i}.jsonl", texts[100 * i : 100 * i + 100])
    shards = plan([tmp_path], tmp_path / "out")
    settings = FilterSettings(cut=Cut(percentiles=(50,), use="keep"))
    (point,), drawn = cut_points(lm, shards, settings, sample=80, seed=1)
    assert 80 <= drawn <= 84  # rounded up in each shard
    assert cut_points(lm, shards, settings, sample=80, seed=1)[0] == [point]
    assert cut_points(lm, shards, settings, sample=80, seed=2)[0] != [point]
    values = perplexities(lm, texts)
    assert percentile(values, 35) < point < percentile(values, 65)


def test_of_many_shards_some_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("nextword.tasks.filter.cuts.SHARDS_READ", 3)
    assert SHARDS_READ == 100
    for i in range(9):
        write_jsonl(tmp_path / f"{i}.jsonl", ["students opened"] * 4)
    shards = plan([tmp_path], tmp_path / "out")
    _, drawn = cut_points(model(), shards, FilterSettings(cut=Cut()), sample=1000)
    assert drawn == 3 * 4


@pytest.mark.parametrize(("items", "number"), [(3, 1), (10, 3), (30, 7)])
def test_every_item_is_equally_likely(items, number):
    """Of 4,000 draws each item is in about number / items of them: within five standard deviations."""
    draws, rng = 4000, random.Random(0)
    counts = np.zeros(items)
    for _ in range(draws):
        kept = reservoir(((i, b"") for i in range(items)), number, rng)
        assert len({i for i, _ in kept}) == number
        for i, _ in kept:
            counts[i] += 1
    share = number / items
    assert abs(counts - draws * share).max() < 5 * math.sqrt(draws * share * (1 - share))


def test_a_reservoir_of_less_than_it_could_hold():
    assert reservoir([(1, b"a"), (2, b"b")], 5, random.Random(0)) == [(1, b"a"), (2, b"b")]
    assert reservoir([], 5, random.Random(0)) == []


def test_nothing_to_find_points_from(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", ["", ""])
    with pytest.raises(UsageError) as caught:
        cut_points(model(), plan([tmp_path], tmp_path / "out"), FilterSettings(cut=Cut()))
    assert str(caught.value) == (
        "no document of the sample has a perplexity, so there are no percentiles; "
        "give other texts, or the points of another run (--cuts)"
    )


def test_bad_records_in_a_sample(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "they opened"}\n{"text": 1}\n')
    shards = plan([tmp_path], tmp_path / "out")
    with pytest.raises(TextError, match=r"a\.jsonl:2: the field 'text' is a number"):
        cut_points(model(), shards, FilterSettings(cut=Cut()))
    assert cut_points(model(), shards, FilterSettings(cut=Cut(), on_error="skip"))[1] == 1


def figures(perplexity):
    """Measures of which only the perplexity matters."""
    array = np.array(perplexity)
    return Measures(array, array, np.ones(len(array), int), np.zeros(len(array), int), np.ones(len(array), int))


def test_limits_and_buckets():
    given = figures([10.0, 20.0, 30.0, 40.0, math.nan, math.inf])
    inside = sort(FilterSettings(limits=(Limit("perplexity", 20, 30),)), given)
    assert inside.kept.tolist() == [False, True, True, False, False, False]
    upwards = sort(FilterSettings(limits=(Limit("perplexity", 20),)), given)
    assert upwards.kept.tolist() == [False, True, True, True, False, False]
    both = FilterSettings(limits=(Limit("perplexity", 20), Limit("bits_per_byte", None, 35)))
    assert sort(both, given).kept.tolist() == [False, True, True, False, False, False]
    # as in cc_net: head below the first point, middle below the second, tail from there on
    cut = sort(FilterSettings(cut=Cut(points=(20.0, 40.0))), given)
    assert cut.bucket.tolist() == [0, 1, 1, 2, 2, 2]
    assert cut.kept.all()
    kept = sort(FilterSettings(cut=Cut(percentiles=(30,), use="keep", points=(20.0,))), given)
    assert kept.kept.tolist() == [True, False, False, False, False, False]
    assert sort(FilterSettings(), given).kept.all()


@given(st.lists(st.floats(1, 100), min_size=1), st.floats(1, 99))
def test_keeping_a_percentile_keeps_that_share(values, q):
    point = float(np.percentile(values, q))
    kept = sort(FilterSettings(cut=Cut(percentiles=(q,), use="keep", points=(point,))), figures(values)).kept
    assert kept.sum() <= len(values) * q / 100 + 1
    assert (np.array(values)[kept] < point).all()


def test_names_of_buckets():
    assert Cut().names == ("head", "middle", "tail")
    assert Cut(percentiles=(10, 50.5, 90)).names == ("p0-10", "p10-50.5", "p50.5-90", "p90-100")
    assert Cut(percentiles=(25,)).names == ("p0-25", "p25-100")


@pytest.mark.parametrize("percentiles", [(), (60, 30), (30, 30), (0, 50), (50, 100)])
def test_percentiles_that_are_none(percentiles):
    given = ",".join(f"{p:g}" for p in percentiles) or "none"
    with pytest.raises(UsageError) as caught:
        FilterSettings(cut=Cut(percentiles=percentiles))
    assert str(caught.value) == (
        f"the percentiles are {given}; expected rising numbers between 0 and 100, such as 30,60"
    )


def test_columns_that_cannot_be_cut_or_limited():
    with pytest.raises(UsageError) as caught:
        FilterSettings(limits=(Limit("oov", 1),))
    assert str(caught.value) == ("'oov' cannot be limited or cut; choose one of perplexity, bits_per_byte, contrast")
    with pytest.raises(UsageError) as caught:
        FilterSettings(cut=Cut("contrast"))
    assert str(caught.value) == (
        "a limit or cut of the contrast needs a second model to contrast with; give --contrast DIR2"
    )


def test_settings_are_json():
    settings = FilterSettings(
        field="body", prefix="lm_", join_lines=True, limits=(Limit("perplexity", None, 500.5), Limit("contrast", 0)),
        cut=Cut("contrast", (10, 20), "column", (0.5, 1.5)), on_error="skip", overwrite=True, contrast=True,
    )  # fmt: skip
    assert FilterSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert FilterSettings.from_json(FilterSettings().to_json()) == FilterSettings()
