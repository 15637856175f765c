"""How fast text is sampled from an LSTM of two layers of 200 with 33,278 words, beside PyTorch in the same run.

    python benchmarks/sampling.py                    both cores; --threads and --rounds choose

The peer is the textbook model, nn.Embedding, nn.LSTM and nn.Linear in float32: its bare step, from a token to the
logits of the next with nothing drawn, and the same followed by softmax and torch.multinomial. Ours is ``stream``, as
``nextword generate`` uses it, the drawing and all checks included. Weights are random but for the output's bias, which
makes words as frequent as Zipf says: speed does not depend on what was learned. Ours and the peers take turns.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from harness.tables import ratio, show
from harness.timing import Run, Runs, alternate, median
from torch import nn

from nextword.neural.families import build
from nextword.neural.model import NeuralModel
from nextword.tasks.generate import stream
from nextword.tasks.sampling import Sampling
from nextword.text.vocabulary import Vocabulary

VOCABULARY, SIZE, LAYERS = 33_278, 200, 2
TOKENS = {1: 400, 64: 100}  # samples at once → tokens of each
WANTED = {1: 700, 64: 10_000}  # tokens a second in all
SAMPLINGS = {
    "nextword": Sampling(),
    "nextword, temperature 0.8": Sampling(0.8),
    "nextword, top-k 40": Sampling(top_k=40),
    "nextword, top-p 0.9": Sampling(top_p=0.9),
    "nextword, greedy": Sampling(0),
}


class Textbook(nn.Module):
    """The LSTM language model of tutorials."""

    def __init__(self, bias: torch.Tensor):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm = nn.LSTM(SIZE, SIZE, LAYERS)
        self.output = nn.Linear(SIZE, VOCABULARY)
        self.output.bias.data.copy_(bias)

    def step(self, tokens: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Logits after tokens (B,), (B, V), and the state."""
        found, state = self.lstm(self.embedding(tokens)[None], state)
        return self.output(found[0]), *state


def bare(model: Textbook, samples: int, *, draw: bool) -> Run:
    """Steps of the peer; without drawing the same tokens are read again."""
    tokens = torch.zeros(samples, dtype=torch.int64)
    state = (torch.zeros(LAYERS, samples, SIZE), torch.zeros(LAYERS, samples, SIZE))
    begin = time.perf_counter()
    with torch.inference_mode():
        for _ in range(TOKENS[samples]):
            logits, *parts = model.step(tokens, state)
            state = (parts[0], parts[1])
            if draw:
                tokens = torch.multinomial(logits.softmax(dim=1), 1)[:, 0]
    return Run(time.perf_counter() - begin)


def ours(model: NeuralModel, samples: int, sampling: Sampling) -> Run:
    """The same number of tokens, sampled."""
    begin = time.perf_counter()
    steps = stream(model, sampling=sampling, max_tokens=TOKENS[samples], samples=samples, seed=0, stop=False)
    drawn = sum(len(step.tokens) for step in steps)
    seconds = time.perf_counter() - begin
    if drawn != samples * TOKENS[samples]:
        raise SystemExit(f"{drawn} tokens were drawn, expected {samples * TOKENS[samples]}")
    return Run(seconds)


def contenders(samples: int) -> Iterator[tuple[str, Callable[[], Run]]]:
    """What takes turns, by name."""
    torch.manual_seed(0)
    bias = -torch.log(torch.arange(VOCABULARY) + 3.0)
    peer = Textbook(bias).eval()
    yield "PyTorch, bare step", lambda: bare(peer, samples, draw=False)
    yield "PyTorch, torch.multinomial", lambda: bare(peer, samples, draw=True)
    settings = {"embedding_size": SIZE, "hidden_size": SIZE, "layers": LAYERS}
    network = build("lstm", settings, VOCABULARY, excluded=1)
    network.output.bias.data.copy_(bias)
    vocabulary = Vocabulary.from_words(["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(VOCABULARY - 3))])
    model = NeuralModel(network, vocabulary, scope="stream")
    for name, sampling in SAMPLINGS.items():
        yield name, lambda sampling=sampling: ours(model, samples, sampling)


def rows(runs: Runs, samples: int) -> list[list[str]]:
    """Milliseconds a step, tokens a second, and how many times as fast as the bare step."""
    references = list(runs.values())[:2]
    return [
        [
            name,
            f"{median(measured) * 1e3 / TOKENS[samples]:.2f}",
            f"{samples * TOKENS[samples] / median(measured):,.0f}",
            *(ratio(reference, measured) for reference in references),
        ]
        for name, measured in runs.items()
    ]


def main() -> None:
    """Print a table for one sequence and one for 64 at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs")
    parser.add_argument("--threads", type=int, default=2, help="cores for PyTorch, in ours and the peer")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for samples in TOKENS:
        turns = dict(contenders(samples))
        for turn in turns.values():
            turn()  # what is not compiled yet is compiled now
        runs = alternate(given.rounds, turns)
        title = f"Sampling, {samples} at once: an LSTM {LAYERS} x {SIZE}, V = {VOCABULARY:,}, {given.threads} threads"
        header = ["", "ms a step", "tokens/s", "speed / bare step", "speed / multinomial"]
        show(f"{title} (wanted: {WANTED[samples]:,} tokens/s)", header, rows(runs, samples))


if __name__ == "__main__":
    main()
