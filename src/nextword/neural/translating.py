"""Training an encoder–decoder: what is minimised over ``pairs``, and how a network begins."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nextword.errors import UsageError
from nextword.neural.distributed import Group
from nextword.neural.network import State
from nextword.neural.objective import Measured, Objective
from nextword.neural.pairs import ROWS, Pairs, Specials, check_pairs, examples, teach
from nextword.neural.place import Report, perplexity
from nextword.neural.seq2seq import Decoded, Seq2Seq, Seq2SeqSettings
from nextword.neural.training import train
from nextword.neural.training_settings import TrainingSettings
from nextword.text.examples import ExampleBatch
from nextword.types import Array, Json


class TranslationObjective(Objective):
    """The cross-entropy of the target's tokens, ``</s>`` included, nats per token; each is told what came before it.

    label_smoothing: the share of the target's probability that all ids have together (Szegedy et al. 2016, section 7).
    What is measured has none.
    """

    def __init__(
        self,
        network: Seq2Seq,
        data: Pairs,
        settings: TrainingSettings,
        *,
        specials: Specials,
        valid: Pairs | None = None,
        label_smoothing: float = 0.0,
    ):
        self.module = self.network = network
        self.data, self.valid, self.specials, self.label_smoothing = data, valid, specials, label_smoothing
        check_pairs(network, data)
        if valid is not None:
            check_pairs(network, valid, "measure on")
        self.batches = examples(data, settings.batch_size, seed=settings.seed)
        self.measures = valid is not None

    def place(self, device: torch.device, precision: torch.dtype) -> None:
        """Move to a device, ready to be trained."""
        super().place(device, precision)
        self.network.prepare(precision, in_place=True)

    def close(self) -> None:
        """Leave the network as one that is not trained."""
        super().close()
        self.network.prepare(None, in_place=False)

    def loss(self, batch: ExampleBatch, rows: slice, state: State) -> tuple[Tensor, State]:
        """The sum over the tokens of a batch's rows."""
        decoded, targets = self._read(self.data, batch.rows[rows])
        vectors = decoded.vectors.flatten(0, 1)
        loss = self.network.output.loss(vectors, targets)
        if self.label_smoothing:
            loss = loss + self.label_smoothing * self._excess(vectors, targets)
        return loss, state

    def measure(self, group: Group) -> Measured:
        """The mean cross-entropy of the validation pairs, nats per token."""
        total, count = 0.0, 0
        if self.valid is not None:
            for batch in examples(self.valid, ROWS).epoch(0):
                count += batch.predicted
                rows = batch.rows[group.parts(len(batch), 1)[0]]
                if len(rows):
                    decoded, targets = self._read(self.valid, rows)
                    total += float(self.network.output.loss(decoded.vectors.flatten(0, 1), targets))
        mean = group.sum([total])[0] / max(count, 1)
        return Measured(mean, {"valid_perplexity": perplexity(mean)})

    def identity(self) -> Json:
        """What must be the same when a run is resumed."""
        return {
            "text": self.data.digest(),
            "validation text": None if self.valid is None else self.valid.digest(),
            "network": {**self.network.parameters_json(), "label_smoothing": self.label_smoothing},
        }

    def _read(self, pairs: Pairs, rows: Array) -> tuple[Decoded, Tensor]:
        """What the network makes of some pairs, and the ids that it was to predict, (B T,), -1 at padding."""
        with self.autocast():
            return teach(self.network, pairs, rows, self.specials, self.device)

    def _excess(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """By how much the target's logits exceed the mean of all logits, summed over tokens.

        With smoothing s the loss is (1 - s) (log Z - z_y) + s (log Z - mean z), the cross-entropy and s (z_y - mean z):
        no array of all logits is needed, as their mean is the product with the mean of the output vectors.
        """
        output, real = self.network.output, targets >= 0
        vectors, targets = vectors[real].float(), targets[real]
        bias = torch.zeros_like(output.weight[:, 0]) if output.bias is None else output.bias
        share = torch.full_like(bias, 1 / len(bias))
        if output.excluded is not None:
            share = torch.full_like(bias, 1 / (len(bias) - 1))
            share[output.excluded] = 0.0
        own = (vectors * functional.embedding(targets, output.weight)).sum() + bias[targets].sum()
        return own - vectors.sum(dim=0) @ (share @ output.weight) - len(targets) * (share @ bias)


def new_network(network: Json, *, source_size: int, target_size: int, excluded: int, seed: int) -> Seq2Seq:
    """A network with random weights drawn from ``seed``. network: what of Seq2SeqSettings is not the usual.

    Raises UsageError for settings that there are not, or out of range.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Seq2Seq(_settings(network), source_size, target_size, excluded=excluded)


def start_bias(network: Seq2Seq, targets: Sequence[Array], specials: Specials) -> None:
    """Begin with the output at how often each id is written, so that the vectors need not learn that first.

    Of one vocabulary for two languages much is never written; with tied vectors, to learn so would push all of that,
    and so the decoder's tanh, far to one side.
    """
    counts = np.bincount(np.concatenate(targets), minlength=network.target_size).astype(np.float64)
    counts[specials.eos] += len(targets)
    log_shares = np.log((counts + 0.5) / (counts + 0.5).sum())
    if network.output.bias is not None:
        with torch.no_grad():
            network.output.bias.copy_(torch.from_numpy(log_shares))


def train_pairs(
    network: Seq2Seq,
    data: Pairs,
    settings: TrainingSettings,
    *,
    specials: Specials,
    valid: Pairs | None = None,
    label_smoothing: float = 0.0,
    **run: Any,
) -> Report:
    """Train a new network in place. run: options of ``training.train``. Raises what that and ``check_pairs`` do."""
    options: Any = {"specials": specials, "valid": valid, "label_smoothing": label_smoothing}
    objective = TranslationObjective(network, data, settings, **options)
    start_bias(network, data.targets, specials)
    report = train(objective, settings, **run)
    network.to("cpu")  # where it is used: sentences are short, and steps of a search small
    return report


def stored(network: Seq2Seq) -> tuple[Json, dict[str, Array]]:
    """A network as JSON and arrays, for ``restored``; what is tied is stored once."""
    return network.parameters_json(), {name: part.detach().cpu().numpy() for name, part in network.named_parameters()}


def restored(parameters: Json, arrays: dict[str, Array]) -> Seq2Seq:
    """The network that was stored. Raises UsageError if settings and arrays do not fit together."""
    sizes = {name: parameters[name] for name in ("source_size", "target_size", "excluded")}
    network = new_network(parameters["settings"], **sizes, seed=0)
    shapes = {name: tuple(part.shape) for name, part in network.named_parameters()}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise UsageError("the network's arrays are not those of its settings; copy or train the model again")
    with torch.no_grad():
        for name, part in network.named_parameters():
            part.copy_(torch.from_numpy(np.array(arrays[name])))
    return network.eval()


def _settings(given: Json) -> Seq2SeqSettings:
    known = asdict(Seq2SeqSettings())
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(f"unknown setting {unknown[0]!r}; an encoder–decoder has {', '.join(known)}")
    return Seq2SeqSettings(**given)
