"""Sizes, what a bound on memory allows, and the least that works."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.ngram.external.budget import budget
from nextword.ngram.external.training import train_external
from nextword.ngram.external.windows import KeyLayout
from nextword.ngram.sizes import parse_size, shown
from strategies import corpus


def test_sizes():
    assert [parse_size(size) for size in ("512K", "400m", "1.5 G", "2GiB", "1TB", "77", 99)] == [
        512 << 10, 400 << 20, 3 << 29, 2 << 30, 1 << 40, 77, 99,
    ]  # fmt: skip
    for size in ("400M", "1.5G", "2G"):
        assert shown(parse_size(size)) == size
    with pytest.raises(
        UsageError, match="memory '4 gigs': expected a number of bytes, such as 800000, 512K, 50M or 1.5G"
    ):
        parse_size("4 gigs")


def test_too_little_memory_is_refused_with_the_least_that_works(tmp_path):
    with pytest.raises(UsageError, match="31M of memory are too little; give --memory 32M or more"):
        train_external(corpus([]), memory="31M", temp=tmp_path / "temp")
    layout = KeyLayout(5, 500_000)
    given = {"layout": layout, "resident": 30 << 20, "tokens": 10**10, "threads": 2, "largest": 10**6}
    with pytest.raises(
        UsageError, match=r"400M of memory are too little for 10,000,000,000 tokens and their voc"
    ) as no:
        budget(400 << 20, **given)
    least = re.search(r"give --memory (\S+) or more, and --resume to go on", str(no.value))
    assert parse_size(least[1]) < 4 << 30
    assert budget(parse_size(least[1]), **given).chunk_tokens > 10**7


@given(
    memory=st.integers(32 << 20, 1 << 40), order=st.integers(1, 9), words=st.integers(3, 10**8),
    tokens=st.integers(1, 10**13), threads=st.integers(1, 64),
)  # fmt: skip
def test_what_is_allowed_fits(memory, order, words, tokens, threads):
    layout, resident, largest = KeyLayout(order, words), 50 * words, 10**6
    try:
        shares = budget(memory, layout, resident, tokens, threads, largest=largest)
    except UsageError as error:
        least = parse_size(re.search(r"--memory (\S+) or more", str(error))[1])
        assert least > memory  # noqa: PT017
        shares, memory = budget(least, layout, resident, tokens, threads, largest=largest), least
    assert shares.chunk_tokens >= largest
    assert 1 <= shares.threads <= threads
    assert resident + shares.threads * shares.chunk_tokens * (4 + 16 * layout.words) < memory
    assert resident + shares.threads * shares.capacity * 2 * layout.row_bytes < memory


def test_more_words_than_fit_are_refused(tmp_path):
    lines = [[f"word{i}" for i in range(n, n + 1000)] for n in range(0, 400_000, 1000)]
    with pytest.raises(UsageError) as no:
        train_external(corpus(lines), memory="32M", temp=tmp_path / "temp", order=2)
    assert re.fullmatch(
        r"<memory>:\d+: [\d,]+ words and lines of [\d,]+ bytes are more than 32M of memory hold; give --memory \d+M or "
        r"more, and --resume", str(no.value),
    )  # fmt: skip


def test_where_memory_is_scarce_fewer_threads_work():
    layout = KeyLayout(5, 500_000)
    given = {"layout": layout, "resident": 30 << 20, "tokens": 25_000_000, "largest": 10**6}
    assert budget(400 << 20, **given, threads=2).threads == 2
    assert budget(400 << 20, **given, threads=64).threads == 8
