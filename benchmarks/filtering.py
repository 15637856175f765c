"""How fast documents are filtered, beside the scoring alone and beside KenLM's module, and at what memory.

    python benchmarks/filtering.py                             the novels in $NEXTWORD_SHARED or ../shared
    python benchmarks/filtering.py --text FILE --model DIR     another text, a model that is there already
    python benchmarks/filtering.py --sizes 20M 200M --rounds 1 a quick look
    python benchmarks/filtering.py --kenlm PYTHON --binary FILE    beside KenLM's module with a model in its format

Documents of 1 to 5 kB, with ids, addresses and scores of their own, are made of the text, again and again, up to each
size. The scoring alone is ``lm.evaluate`` of the same texts as plain lines, in the same process, with as many threads.
Memory is anonymous memory at its peak: the model is mapped from its files, whose pages the system shares and drops.
"""

import argparse
import gzip
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path

from harness import peers
from harness.setting import HERE, nextword
from harness.tables import megabytes, ratio, show
from harness.timing import Run, Worker, alternate, command, median

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
NOVELS = SHARED / "novels" / "novels.txt.gz"
UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}


def size_of(text: str) -> int:
    """Bytes that 100M or 1G spells."""
    return int(float(text.rstrip("kMG")) * UNITS.get(text[-1], 1))


def documents(lines: list[str], size: int) -> Iterator[dict[str, object]]:
    """Records of about ``size`` bytes of text in all."""
    rng, total, number, at = random.Random(0), 0, 0, 0
    while total < size:
        wanted, held, text = rng.randint(1000, 5000), 0, list[str]()
        while held < wanted:
            text.append(lines[at % len(lines)])
            held += len(text[-1].encode()) + 1
            at += 1
        total, number = total + held, number + 1
        url = f"https://example.org/{rng.getrandbits(40):x}"
        yield {"id": f"doc-{number:09d}", "url": url, "text": "\n".join(text), "quality": rng.random()}


def make(lines: list[str], size: int, folder: Path) -> tuple[Path, Path]:
    """A shard of JSON Lines, and the same texts as plain lines."""
    shard, plain = folder / f"{size}.jsonl", folder / f"{size}.txt"
    with shard.open("w", encoding="utf-8") as records, plain.open("w", encoding="utf-8") as texts:
        for record in documents(lines, size):
            records.write(json.dumps(record, ensure_ascii=False) + "\n")
            texts.write(str(record["text"]) + "\n")
    return shard, plain


def compressed(shard: Path) -> list[Path]:
    """The shard in the other formats."""
    import pyarrow.json
    import pyarrow.parquet
    import zstandard

    data, found = shard.read_bytes(), []
    for suffix, pack in {".gz": gzip.compress, ".zst": zstandard.compress}.items():
        found.append(shard.with_name(shard.name + suffix))
        found[-1].write_bytes(pack(data))
    found.append(shard.with_suffix(".parquet"))
    options = pyarrow.json.ReadOptions(block_size=1 << 24)
    table = pyarrow.json.read_json(shard, read_options=options)
    pyarrow.parquet.write_table(table, found[-1], row_group_size=10_000, compression="zstd")
    return found


def warm_up(worker: Worker, model: Path, shard: Path) -> None:
    """Let a worker load, or compile, all that it needs, with the first documents of a shard."""
    few = shard.with_name("few.jsonl")
    with shard.open("rb") as records:
        few.write_bytes(b"".join(next(records) for _ in range(100)))
    worker.run("filter", model=model, source=few, out=few.with_suffix(".out"), threads=1, settings={})
    worker.run("evaluate", model=model, text=few, threads=1)


def speed(model: Path, shard: Path, plain: Path, arguments: argparse.Namespace, module: Path | None) -> None:
    """Filtering beside the scoring alone, and beside KenLM's module."""
    out, size = shard.with_suffix(".out"), shard.stat().st_size
    ours = Worker([sys.executable, HERE / "filter_worker.py"])
    theirs = Worker([module, HERE / "filter_worker.py"]) if module and arguments.binary else None
    contenders: dict[str, Callable[[], Run]] = {}
    scoring, filtering = [f"{name}, {arguments.threads} threads" for name in ("lm.evaluate of plain lines", "filter")]
    given = {"model": model, "threads": arguments.threads}
    contenders[scoring] = partial(ours.run, "evaluate", text=plain, **given)
    contenders[filtering] = partial(ours.run, "filter", source=shard, out=out, settings={}, **given)
    kenlm = "kenlm module, a document at a time, 1 core"
    if theirs is not None:
        contenders[kenlm] = partial(
            theirs.run, "kenlm", model=arguments.binary, source=shard, out=out.with_suffix(".k")
        )
    with ours, theirs or nullcontext():
        warm_up(ours, model, shard)
        runs = alternate(arguments.rounds, contenders)
    rows = []
    for name, measured in runs.items():
        tokens = measured[0].answer["tokens"] / median(measured) / 1e6
        row = [name, f"{median(measured):.2f}", f"{size / median(measured) / 1e6:.1f}", f"{tokens:.2f}"]
        row += [megabytes(max(run.peak for run in measured)), ratio(runs[scoring], measured)]
        rows.append(row + ([ratio(runs[kenlm], measured)] if theirs is not None else []))
    header = ["", "seconds", "MB/s", "M tokens/s", "peak anonymous MB", "speed / scoring alone"]
    show(f"{size / 1e6:,.0f} MB of JSON Lines", header + (["speed / kenlm"] if theirs is not None else []), rows)


def formats(model: Path, shard: Path, arguments: argparse.Namespace) -> None:
    """The same documents in every format, and sorted into buckets."""
    files, rows = [shard, *compressed(shard)], []
    cut = {"column": "perplexity", "percentiles": [30, 60], "use": "folders", "points": None}
    cases = [(file.name.partition(".")[2], file, {}) for file in files] + [("jsonl, buckets", shard, {"cut": cut})]
    given = {"model": model, "threads": arguments.threads, "out": shard.with_suffix(".out")}
    with ExitStack() as stack:
        contenders = {}
        for name, file, settings in cases:  # each in a process of its own, for its memory
            worker = stack.enter_context(Worker([sys.executable, HERE / "filter_worker.py"]))
            warm_up(worker, model, shard)
            contenders[name] = partial(worker.run, "filter", source=file, settings=settings, **given)
        runs = alternate(arguments.rounds, contenders)
    for (name, file, _), measured in zip(cases, runs.values(), strict=True):
        peak = megabytes(max(run.peak for run in measured))
        text_rate = shard.stat().st_size / median(measured) / 1e6
        rows.append([name, f"{file.stat().st_size / 1e6:,.0f}", f"{median(measured):.2f}", f"{text_rate:.1f}", peak])
    header = ["", "MB in the file", "seconds", "MB/s of JSON Lines", "peak anonymous MB"]
    show(f"The same documents in each format, {arguments.threads} threads", header, rows)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="plain text, .gz or not; the novels unless given")
    parser.add_argument("--model", type=Path, help="a model directory; trained on the text unless given")
    parser.add_argument("--binary", type=Path, help="a model that KenLM's module reads, for a row of its own")
    parser.add_argument("--sizes", nargs="+", default=["100M", "1G"], help="bytes of text (100M 1G)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    peers.add_arguments(parser)
    arguments = parser.parse_args()
    text = arguments.text or NOVELS
    if not text.exists():
        raise SystemExit(f"{text} is absent; name a text with --text")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = arguments.model or folder / "model"
        if arguments.model is None:
            command([*nextword(), "train", "ngram", text, "--out", model, "--quiet"])
        data = gzip.decompress(text.read_bytes()) if text.suffix == ".gz" else text.read_bytes()
        lines = [line for line in data.decode().split("\n") if line]
        module = peers.find(arguments).module if arguments.binary else None
        for number, size in enumerate(map(size_of, arguments.sizes)):
            shard, plain = make(lines, size, folder)
            if number == 0:
                formats(model, shard, arguments)
            speed(model, shard, plain, arguments, module)
            shard.unlink()
            plain.unlink()


if __name__ == "__main__":
    main()
