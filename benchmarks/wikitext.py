"""WikiText-2 by words: an LSTM trained in a given time, the 5-gram beside it, their mixture, and a cache.

    python benchmarks/wikitext.py --minutes 60           WikiText-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/wikitext.py --lstm DIR             measure a model that is there already
    python benchmarks/wikitext.py --device cuda --minutes 10

Every figure is printed by a nextword command, which is shown. Perplexities are over the test text, ``</s>`` counted at
every line, ``<unk>`` a word; weights, and the cache's settings, are tuned on the validation text. What the cache gives
is no plain perplexity: it learns from the test text as it goes, and stands in a column of its own.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from harness.setting import nextword
from harness.tables import show
from harness.timing import command

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
SETTINGS = (
    "--tied --embedding-size 400 --hidden-size 640 --dropout 0.35 --dropout-input 0.3 --dropout-between 0.2 "
    "--dropout-embedding 0.05 --weight-drop 0.2 --batch-size 32 --bptt 64 --optimizer muon --lr 0.003 "
    "--schedule cosine --eval-every 3000"
)


def run(*arguments: object) -> str:
    """Run a nextword command, show it with its time, and return what it printed."""
    words = [str(argument) for argument in arguments]
    print("$ nextword", " ".join(words), flush=True)
    kept: list[str] = []
    seconds = command([*nextword(), *words], parse=lambda text: kept.append(text) or {}).seconds
    print(f"  {seconds:.1f} s", flush=True)
    return kept[0]


def measure(model: Path, test: Path, *options: object) -> dict[str, Any]:
    """What ``evaluate`` says of a model."""
    document = json.loads(run("evaluate", model, "--text", test, "--json", "--quiet", *options))
    found: dict[str, Any] = document["models"][0]
    return found


def main() -> None:
    """Train what is missing, evaluate all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "wikitext-2")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--settings", default=SETTINGS, help="of nextword train lstm")
    parser.add_argument("--lstm", type=Path, help="a trained LSTM")
    parser.add_argument("--work", type=Path, help="where to keep the models")
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"{options.data} is absent; give the folder of train.txt, valid.txt and test.txt with --data")
    train, valid, test = (options.data / f"{name}.txt" for name in ("train", "valid", "test"))
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        lstm, ngram, mixture = options.lstm or work / "lstm", work / "ngram", work / "mixture"
        if options.lstm is None:
            where = ["--minutes", options.minutes, "--device", options.device]
            run("train", "lstm", train, "--valid", valid, "--out", lstm, "--quiet", *options.settings.split(), *where)
        run("train", "ngram", train, "--order", 5, "--out", ngram, "--quiet")
        run("mix", lstm, ngram, "--tune", valid, "--out", mixture, "--quiet")
        rows = []
        for name, model in {"LSTM": lstm, "5-gram": ngram, "mixture of both": mixture}.items():
            found = measure(model, test, "--cache", "--tune", valid)
            rows.append(
                [name, f"{found['tokens']:,}", f"{found['perplexity']:.2f}", f"{found['perplexity_with_cache']:.2f}"]
            )
        show("WikiText-2, test text", ["", "tokens", "perplexity", "with a cache (learns as it reads)"], rows)


if __name__ == "__main__":
    main()
