"""Draw the pictures of the book, by the commands and functions that its pages show, into the folder that this is in.

Run: python docs/pictures.py            (all of them: some minutes)
     python docs/pictures.py orders     (those named)

attention.png and rescoring.png come from hours of training: see translation.md and rescoring.md.
"""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import nextword
from nextword import Corpus
from nextword.interfaces.cli import run
from nextword.tasks.discounts import discount_table
from nextword.text.embedded import embedded_sentences
from nextword.text.pipeline import Pipeline
from nextword.text.synthetic import AgreementGrammar
from nextword.text.tokenize import make_tokenizer

FOLDER = Path(__file__).resolve().parent
COLOURS = ["#1b6ca8", "#c8553d", "#4f8a3c", "#8a5aa8", "#a8761b"]  # told apart by every kind of sight, markers help
MARKERS = "os^Dv"
NETWORK = "--valid prose.valid.txt --tokenizer word --min-count 2 --batch-size 16 --precision float32 --plot --quiet"


def main(names: list[str]) -> None:
    """Draw the pictures named, or all."""
    pictures: dict[str, Callable[[], None]] = {
        "discounts": discounts,
        "orders": orders,
        "window-loss": window_loss,
        "agreement-window": agreement,
        "gradients": gradients,
        "lstm-loss": lstm_loss,
        "confusion": confusion,
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        lines = embedded_sentences()
        parts = {"train": lines[:1983], "valid": lines[1983:2231], "test": lines[2231:]}
        for name, part in parts.items():
            Path(f"prose.{name}.txt").write_text("\n".join(part) + "\n", encoding="utf-8")
        for name in names or pictures:
            pictures[name]()
            print(f"{FOLDER.name}/{name}.png: {(FOLDER / f'{name}.png').stat().st_size:,} bytes")


@contextlib.contextmanager
def picture(name: str, title: str, *, size: tuple[float, float] = (7.2, 4.2)) -> Iterator[Axes]:
    """Axes to draw on; written when the block ends."""
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, pad=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    yield axes
    axes.legend(frameon=False, fontsize=9)
    with (FOLDER / f"{name}.png").open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)


def command(line: str) -> None:
    """Run a nextword command."""
    if run(line.split()):
        raise SystemExit(f"failed: nextword {line}")


def discounts() -> None:
    """Counts in the test text against counts in training."""
    words = Pipeline(tokenizer=make_tokenizer("word"))
    table = discount_table(Corpus("prose.train.txt"), Corpus("prose.test.txt"), pipeline=words)
    counts = range(10)
    with picture("discounts", "A bigram seen r times in training: how often does it come in as much new text?") as axes:
        axes.plot(counts, counts, color="#999999", linewidth=1, linestyle=":", label="r itself")
        axes.plot(counts, table.absolute, color=COLOURS[0], label=f"r − {table.discount:.2f} (absolute discounting)")
        axes.plot(counts, table.good_turing, MARKERS[2], color=COLOURS[2], mfc="none", label="Good–Turing")
        axes.plot(counts, table.held_out, MARKERS[0], color=COLOURS[1], label="measured")
        axes.set(xlabel="r, times in the training text", ylabel="times in new text", xticks=counts)


def orders() -> None:
    """Perplexity on the test text against the order."""
    kinds = ["laplace", "witten-bell", "absolute", "kneser-ney", "modified-kneser-ney"]
    with picture("orders", "Perplexity of the test text, by the order of the model") as axes:
        for kind, colour, marker in zip(kinds, COLOURS, MARKERS, strict=True):
            models = [nextword.train("prose.train.txt", order=n, smoothing=kind, tokenizer="word") for n in range(2, 7)]
            found = [lm.evaluate(Corpus("prose.test.txt")).perplexity for lm in models]
            print(kind, *(f"{value:.2f}" for value in found))
            if kind == "laplace":
                axes.annotate(
                    f"add one is far above: {found[0]:,.0f} at order 2, {found[1]:,.0f} at 3, {found[-1]:,.0f} at 6",
                    (2, 105), fontsize=9, color="#555555",
                )  # fmt: skip
            else:
                label = {"kneser-ney": "Kneser–Ney", "witten-bell": "Witten–Bell"}.get(kind, kind.replace("-k", " K"))
                label = label.replace("Kneser-ney", "Kneser–Ney")
                axes.plot(range(2, 7), found, marker + "-", color=colour, markersize=5, label=label)
        axes.set(xlabel="order n", ylabel="perplexity", ylim=(58, 108), xticks=range(2, 7))


def window_loss() -> None:
    """The window model's training, drawn by --plot."""
    options = "--order 4 --embedding-size 96 --epochs 6 --lr 0.002"
    command(f"train window prose.train.txt --out window4 {options} --dropout 0.4 {NETWORK}")
    shutil.copy("window4.training/loss.png", FOLDER / "window-loss.png")


def lstm_loss() -> None:
    """The LSTM's training, drawn by --plot."""
    options = "--layers 1 --tied --embedding-size 128 --hidden-size 128 --epochs 10 --lr 0.005"
    command(f"train lstm prose.train.txt --out lstm {options} --dropout 0.5 {NETWORK}")
    shutil.copy("lstm.training/loss.png", FOLDER / "lstm-loss.png")


def agreement() -> None:
    """Perplexity of windows and counts, and the least possible, where a verb agrees with a subject five words back."""
    grammar = AgreementGrammar(distance=4, words=2)
    train, test = (Corpus.from_lines(grammar.sample(n, seed=seed)) for n, seed in ((40_000, 1), (5_000, 3)))
    network = {"embedding_size": 16, "hidden_size": 64, "epochs": 10, "precision": "float32", "threads": 1}
    tried = range(2, 8)
    counts = [nextword.train(train, order=n, smoothing="witten-bell").evaluate(test).perplexity for n in tried]
    windows = [nextword.train(train, kind="window", order=n, **network).evaluate(test).perplexity for n in tried]
    least = [grammar.ngram_perplexity(n) for n in tried]
    with picture("agreement-window", "A verb that agrees with a subject five words back") as axes:
        axes.step(
            [n - 0.5 for n in (*tried, 8)], [*least, least[-1]], where="post", color="#777777", label="least possible"
        )
        axes.plot(tried, counts, "s", color=COLOURS[1], label="counts (Witten–Bell)")
        axes.plot(tried, windows, "o", color=COLOURS[0], mfc="none", markersize=9, label="window network")
        axes.set(xlabel="order n: the model sees n − 1 words", ylabel="perplexity on new sentences", ylim=(1.95, 2.27))


def gradients() -> None:
    """The norm of the gradient against distance, drawn by explain --gradients --plot."""
    command(f"explain --gradients --plot {FOLDER / 'gradients.png'} --quiet")


def confusion() -> None:
    """The confusion matrix of a network that knows who makes whom happy, drawn by classify evaluate --plot."""
    page = (FOLDER / "uses.md").read_text(encoding="utf-8")
    program = page.partition("```python\nimport itertools")[2].partition("```")[0]
    exec(f"import itertools{program}", {})
    command("classify train rnn order.train.tsv --epochs 20 --threads 1 --out reader --quiet")
    command(f"classify evaluate reader order.test.tsv --mistakes 0 --plot {FOLDER / 'confusion.png'} --quiet")


if __name__ == "__main__":
    main(sys.argv[1:])
