"""The peers of the training benchmarks: the loops that everybody writes first, in plain PyTorch and float32."""

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional


class WordLanguageModel(nn.Module):
    """Embedding, dropout, nn.LSTM, dropout, Linear, as PyTorch's example word_language_model has them."""

    def __init__(self, vocab_size: int, size: int, *, tied: bool, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocab_size, size)
        self.lstm = nn.LSTM(size, size, 2, dropout=dropout)
        self.decoder = nn.Linear(size, vocab_size)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, tokens: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(T, B) ids to (T * B, V) logits."""
        outputs, state = self.lstm(self.dropout(self.encoder(tokens)), state)
        return self.decoder(self.dropout(outputs)).flatten(0, 1), state


def train_words(
    model: WordLanguageModel, batches: Iterator[Tensor], *, lr: float, clip: float
) -> Iterator[tuple[float, float]]:
    """SGD over (T + 1, B) ids with carried, detached state; yields each step's seconds and mean loss in nats."""
    criterion, state = nn.CrossEntropyLoss(), None
    model.train()
    for tokens in batches:
        begun = time.perf_counter()
        model.zero_grad()
        state = None if state is None else tuple(part.detach() for part in state)
        logits, state = model(tokens[:-1], state)
        loss = criterion(logits, tokens[1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-lr)
        value = loss.item()
        yield time.perf_counter() - begun, value


class _Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.attend, self.project = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (part.view(b, t, self.heads, -1).transpose(1, 2) for part in self.attend(self.norm1(x)).chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(mixed.transpose(1, 2).reshape(b, t, d))
        return x + self.mlp(self.norm2(x))


class CharacterTransformer(nn.Module):
    """A decoder in the shape of nanoGPT's: learned positions, pre-norm, GELU, tied, no biases, no dropout."""

    def __init__(self, vocab_size: int, *, layers: int = 4, heads: int = 4, width: int = 128, block: int = 64):
        super().__init__()
        self.block = block
        self.tokens, self.places = nn.Embedding(vocab_size, width), nn.Embedding(block, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                residual = name.endswith(("project.weight", "mlp.2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) ids to (B, T, V) logits."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        hidden = self.norm(self.blocks(self.tokens(tokens) + self.places(places)))
        return functional.linear(hidden, self.tokens.weight)


def train_characters(
    train: Tensor, valid: Tensor, vocab_size: int, *, steps: int = 2000, batch: int = 12, seed: int = 1337
) -> tuple[CharacterTransformer, float, float]:
    """The CPU configuration of nanoGPT for characters: AdamW, cosine, and its estimates of the loss on the way.

    Returns the model, its last estimate of the validation loss (20 batches of random blocks) and the seconds.
    """
    torch.manual_seed(seed)
    model = CharacterTransformer(vocab_size)
    decaying = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decaying, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    begun, estimate = time.perf_counter(), float("nan")
    for step in range(steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = _cosine(step, steps)
        if step % 250 == 0:
            estimate = blocks_loss(model, valid, model.block, batches=20, batch=batch)
            blocks_loss(model, train, model.block, batches=20, batch=batch)
        inputs, targets = random_blocks(train, batch, model.block)
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model, estimate, time.perf_counter() - begun


def random_blocks(ids: Tensor, batch: int, block: int) -> tuple[Tensor, Tensor]:
    """Blocks from anywhere in a text, and what follows each of their tokens, both (B, T)."""
    starts = torch.randint(len(ids) - block, (batch,)).tolist()
    rows = torch.stack([ids[i : i + block + 1] for i in starts])
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def blocks_loss(
    forward: Callable[[Tensor], Tensor], ids: Tensor, block: int, *, batches: int, batch: int = 12
) -> float:
    """The protocol of nanoGPT: the mean loss over random blocks, each begun without a context, nats."""
    losses = []
    for _ in range(batches):
        inputs, targets = random_blocks(ids, batch, block)
        losses.append(functional.cross_entropy(forward(inputs).flatten(0, 1), targets.flatten()).item())
    return sum(losses) / len(losses)


def _cosine(step: int, steps: int, *, highest: float = 1e-3, lowest: float = 1e-4, warmup: int = 100) -> float:
    if step < warmup:
        return highest * (step + 1) / (warmup + 1)
    done = min((step - warmup) / (steps - warmup), 1.0)
    return lowest + 0.5 * (1 + math.cos(math.pi * done)) * (highest - lowest)
