"""How fast ``nextword serve`` answers: next words, 64 streams beside one, and the page in a browser.

    python benchmarks/server.py                      WikiText-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/server.py --train FILE         a text of one's own, one sentence a line
    python benchmarks/server.py --only next streams  some of the claims: next, streams, page

The models are a 5-gram and an LSTM of two layers of 200 with the same 33,278 words; the LSTM's weights are random but
for the output's bias, which makes words as frequent as Zipf says: speed does not depend on what was learned. Server and
client are processes of their own, and share the machine's cores; the client sends bytes that are laid out beforehand
and only counts what comes. Next words are asked for as the page does: the 50 likeliest with their probabilities, the
entropy, and probability and rank of a given word, after a text that grows by a word each time, and after new texts of
twelve words. Streams are ``POST /v1/completions`` with ``stream``, one and 64 by turns. The page is opened in chromium.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.setting import HERE, nextword
from harness.tables import show
from harness.timing import Json, Worker, alternate

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WIKITEXT = SHARED / "data" / "wikitext-2" / "train.txt"
VOCABULARY, SIZE, LAYERS = 33_278, 200, 2
TOKENS = {1: 400, 64: 200}  # streams at once → tokens of each
CLAIMS = ("next", "streams", "page")


def main() -> None:
    """Make the models, start the server, measure each claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=WIKITEXT)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--questions", type=int, default=100, help="next words asked for in a round")
    parser.add_argument("--only", nargs="+", choices=CLAIMS, default=CLAIMS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        words = make_models(options.train, work)
        with serving([work / "5-gram", work / "lstm"]) as port, client() as worker:
            if "next" in options.only:
                next_words(worker, port, words, options.rounds, options.questions)
            if "streams" in options.only:
                streams(worker, port, options.rounds)
            if "page" in options.only:
                from harness.browsing import page

                page(port, options.rounds)


def make_models(train: Path, work: Path) -> list[str]:
    """A 5-gram and an LSTM of the same words, in ``work``; returns running text."""
    import torch

    from nextword import LM, load
    from nextword import train as train_model
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel
    from nextword.text.embedded import embedded_sentences

    if train.exists():
        text = train.read_text(encoding="utf-8").replace("<unk>", "[UNK]")
    else:  # the prose that Python carries, and words to make it as many
        text = "\n".join([*embedded_sentences(), *(f"w{i}" for i in range(VOCABULARY))]) + "\n"
    (work / "text").write_text(text, encoding="utf-8")
    train_model(work / "text", order=5, vocab_size=VOCABULARY).save(work / "5-gram")
    vocabulary = load(work / "5-gram").model.vocabulary
    torch.manual_seed(0)
    settings = {"embedding_size": SIZE, "hidden_size": SIZE, "layers": LAYERS}
    network = build("lstm", settings, len(vocabulary), excluded=vocabulary.bos)
    network.output.bias.data.copy_(-torch.log(torch.arange(len(vocabulary)) + 3.0))
    LM(NeuralModel(network, vocabulary, scope="stream")).save(work / "lstm")
    print(f"{len(vocabulary):,} words")
    return text[:1_000_000].split()


@contextmanager
def serving(directories: list[Path]) -> Iterator[int]:
    """A server of these models in a process of its own; its port."""
    command = [*nextword(), "serve", "--port", "0", *directories]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        words = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", words)
        if found is None:
            raise SystemExit(f"the server did not start: {words}{process.stderr.read()}")
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


def client() -> Worker:
    """A process that asks."""
    return Worker([sys.executable, HERE / "server_client.py"])


def next_words(worker: Worker, port: int, words: list[str], rounds: int, questions: int) -> None:
    """Milliseconds until the next words are there."""
    chosen = random.Random(0)

    def bodies(model: str, texts: list[str]) -> list[Json]:
        return [{"text": text, "models": [model], "k": 50, "word": chosen.choice(words)} for text in texts]

    def typed() -> list[str]:
        begin = chosen.randrange(len(words) - questions)
        return [" ".join(words[begin + i // 20 * 20 : begin + i + 1]) for i in range(questions)]

    def new() -> list[str]:
        starts = [chosen.randrange(len(words) - 12) for _ in range(questions)]
        return [" ".join(words[at : at + 12]) for at in starts]

    turns: dict[str, Callable[[], object]] = {
        f"{model}, {name}": lambda model=model, texts=texts: worker.run(
            "ask", port=port, path="/explore/next", bodies=bodies(model, texts())
        )
        for model in ("5-gram", "lstm")
        for name, texts in (("a text that grows", typed), ("a new text", new))
    }
    for turn in turns.values():
        turn()
    rows = []
    for name, runs in alternate(rounds, turns).items():
        for run in runs:
            (answer,) = run.answer["answer"]["models"]
            if len(answer["top"]) != 50 or answer["word"] is None or not answer["entropy"] > 0:
                raise SystemExit(f"not what was asked for: {answer}")
        medians, tails = ([run.answer[figure] for run in runs] for figure in ("median", "p95"))
        middle = statistics.median(medians)
        rows.append(
            [name, f"{middle:.2f}", f"{min(medians):.2f}-{max(medians):.2f}", f"{statistics.median(tails):.2f}"]
        )
    title = f"Next words over HTTP, {rounds} rounds of {questions} questions (wanted: 10 ms or less at the median)"
    show(title, ["POST /explore/next", "ms, median", "of rounds", "ms, 95 %"], rows)


def spread(figures: list[float], digits: int) -> list[str]:
    """Median and range."""
    middle, low, high = statistics.median(figures), min(figures), max(figures)
    return [f"{middle:,.{digits}f}", f"{low:,.{digits}f}-{high:,.{digits}f}"]


def streams(worker: Worker, port: int, rounds: int) -> None:
    """Tokens a second in all, of one stream and of 64."""

    def bodies(count: int) -> list[Json]:
        return [
            {
                "model": "lstm",
                "prompt": "the",
                "max_tokens": TOKENS[count],
                "stream": True,
                "ignore_eos": True,
                "seed": i,
            }
            for i in range(count)
        ]

    turns = {count: lambda count=count: worker.run("streams", port=port, bodies=bodies(count)) for count in TOKENS}
    for turn in turns.values():
        turn()
    runs = alternate(rounds, turns)
    speeds = {count: [count * TOKENS[count] / run.seconds for run in runs[count]] for count in TOKENS}
    ratios = [many / one for one, many in zip(speeds[1], speeds[64], strict=True)]
    rows = []
    for count, found in speeds.items():
        for run in runs[count]:
            if run.answer["events"] < count * TOKENS[count]:
                raise SystemExit(f"{run.answer['events']} events for {count} x {TOKENS[count]} tokens")
        first = statistics.median(run.answer["first"] for run in runs[count])
        rows.append([str(count), *spread(found, 0), f"{first * 1e3:.0f}"])
    rows.append(["64 / 1", *spread(ratios, 1), ""])
    title = f"Streams of an LSTM {LAYERS} x {SIZE}, V = {VOCABULARY:,}, {rounds} rounds (wanted: 64 at 10 times one)"
    show(title, ["streams at once", "tokens/s in all", "of rounds", "ms until all have begun"], rows)


if __name__ == "__main__":
    main()
