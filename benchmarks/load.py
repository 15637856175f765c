"""``nextword serve`` under more load than it can bear: what is refused, what is answered, and whether it recovers.

    python benchmarks/load.py                        a minute at twice the sustainable rate
    python benchmarks/load.py --seconds 5            a quick look

The models are those of ``server.py``: a 5-gram and an LSTM of two layers of 200 with 33,278 words. A third of the
requests are log-probabilities of a text's own tokens (echo), a third next words as the page asks for them, a third
texts of 24 tokens; half of each are for the LSTM. Every request has an answer of its own, which was noted when the
server had nothing else to do. The sustainable rate is what 64 clients get that ask again as soon as they are answered.
Then requests come at twice that rate, whatever becomes of them. Server and client share the machine's cores.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.load_client import Question, Tally, abandoned, closed_loop, gauges, open_loop, post
from harness.setting import nextword
from harness.tables import show
from server import WIKITEXT, make_models

CLIENTS, QUESTIONS = 64, 300
MEMORY = "process_resident_memory_bytes"
RUNNING = ('nextword_engine_running{model="lstm"}', 'nextword_engine_waiting{model="lstm"}')


def main() -> None:
    """Make the models, start the server, and put it through everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=WIKITEXT)
    parser.add_argument("--seconds", type=float, default=60.0, help="of twice the sustainable rate")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = make_models(options.train, Path(folder))
        with serving([Path(folder) / "5-gram", Path(folder) / "lstm"]) as (process, port):
            asyncio.run(everything(process, port, words, options.seconds))


@contextmanager
def serving(directories: list[Path]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server of these models in a process of its own, and its port."""
    command = [str(word) for word in [*nextword(), "serve", "--port", "0", *directories]]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        yield process, int(said.partition("127.0.0.1:")[2].split()[0])
    finally:
        process.kill()
        process.wait()


async def everything(process: subprocess.Popen[str], port: int, words: list[str], seconds: float) -> None:
    """All measurements, one after the other."""
    questions = await answered(port, make_questions(words))
    short = max(2.0, seconds / 6)
    await closed_loop(port, questions, CLIENTS, short)
    calm = await closed_loop(port, questions, CLIENTS, short)
    rate = len(calm.seconds) / short
    before = (await settled(port))[MEMORY]
    storm = await open_loop(port, questions, 2 * rate, seconds)
    after = (await settled(port))[MEMORY]
    again = await closed_loop(port, questions, CLIENTS, short)
    rows = [
        row(f"{CLIENTS} clients, one after the other", calm, rate),
        row("twice that rate", storm, 2 * rate),
        row(f"{CLIENTS} clients again", again, len(again.seconds) / short),
    ]
    header = ["requests", "a second", "200", "429", "503", "lost", "wrong", "p50 ms", "p99 ms"]
    show(f"Load, {seconds:g} s (wanted: no lost and no wrong answers)", header, rows)
    growth = f"{(after / before - 1):+.1%}"
    show("Memory, MB (wanted: within 10 %)", ["", "before", "after", "change"], [
        ["of the server", f"{before / 1e6:.0f}", f"{after / 1e6:.0f}", growth],
    ])  # fmt: skip
    for expected, found in [*calm.wrong, *storm.wrong, *again.wrong][:5]:
        print(f"\n  expected {str(expected)[:300]}\n  found    {str(found)[:300]}")
    print(f"\n  requests were sent at most {storm.late * 1e3:.0f} ms after their time")
    print(f"  64 streams that were left freed their places in {await left(port):.2f} s")
    await ended(process, port, questions, rate)


def make_questions(words: list[str]) -> list[Question]:
    """Requests of all kinds, each with words of its own."""
    chosen, found = random.Random(0), []
    for i in range(QUESTIONS):
        at = chosen.randrange(len(words) - 40)
        text, model = " ".join(words[at : at + 12]), ("5-gram", "lstm")[i % 2]
        echo = {"model": model, "prompt": text, "max_tokens": 0, "echo": True, "logprobs": 1}
        write = {"model": model, "prompt": text, "max_tokens": 24, "seed": i, "ignore_eos": True, "echo": True}
        next_words = {"models": [model], "text": text, "k": 50}
        found += [
            Question("/v1/completions", echo, lambda answer: answer["choices"][0]["logprobs"]["token_logprobs"]),
            Question("/explore/next", next_words, _likeliest),
            Question("/v1/completions", write, lambda answer: answer["choices"][0]["text"]),
        ]
    chosen.shuffle(found)
    return found


def _likeliest(answer: Any) -> list[float]:
    (one,) = answer["models"]
    return [one["entropy"], *(word["probability"] for word in one["top"])]


async def answered(port: int, questions: list[Question]) -> list[Question]:
    """The questions with their answers, asked one after the other."""
    known = []
    for question in questions:
        status, answer = await post(port, question)
        if status != 200:
            raise SystemExit(f"{question.body}: {status} {json.dumps(answer)[:500]}")
        known.append(replace(question, expected=question.part(answer)))
    different = len({json.dumps(question.expected) for question in known})
    print(f"{len(known)} requests with {different} different answers")
    return known


async def settled(port: int) -> dict[str, float]:
    """The server's figures when it has had nothing to do for a while."""
    found = await gauges(port)
    for _ in range(50):
        await asyncio.sleep(0.2)
        found = await gauges(port)
    return found


def row(name: str, tally: Tally, rate: float) -> list[str]:
    """A line of the table."""
    counts = [str(tally.statuses[status]) for status in (200, 429, 503, 0)]
    times = [f"{tally.quantile(share) * 1e3:,.0f}" for share in (0.5, 0.99)]
    others = set(tally.statuses) - {200, 429, 503, 0}
    if others:
        raise SystemExit(f"answers with other statuses: {tally.statuses}")
    return [name, f"{rate:.0f}", *counts, str(len(tally.wrong)), *times]


async def left(port: int) -> float:
    """Seconds until the places are free of streams whose clients have gone."""
    body = {"model": "lstm", "prompt": "the", "max_tokens": 4000, "stream": True, "ignore_eos": True}
    begin = 0.0

    async def freed() -> None:
        nonlocal begin
        begin = time.perf_counter()
        while any([(await gauges(port))[name] for name in RUNNING]):
            await asyncio.sleep(0.01)

    await abandoned(port, Question("/v1/completions", body, lambda answer: answer), 64, freed)
    return time.perf_counter() - begin


async def ended(process: subprocess.Popen[str], port: int, questions: list[Question], rate: float) -> None:
    """SIGTERM while as many requests as can be are under way."""
    chosen = [question for question in questions if question.body.get("max_tokens") == 24]
    long = [replace(question, body=question.body | {"max_tokens": 1000}) for question in chosen[:200]]
    tasks = [asyncio.create_task(post(port, question)) for question in long]
    await asyncio.sleep(1.0)
    begin = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*tasks)
    seconds = time.perf_counter() - begin
    status = await asyncio.to_thread(process.wait, 30)
    counts = Counter(status for status, _ in answers)
    told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(counts.items()))
    print(f"  SIGTERM with {len(long)} requests of 1,000 tokens: {told} after {seconds:.1f} s (wanted: 10)")
    print(f"  the process left with status {status} after {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
