"""What a word is to a classifier: one or two vectors, learnt, given, or both (Kim 2014, section 3.1).

Shapes: B rows, T tokens, V ids, D numbers in a vector. Ids of the training text come first: 0 to ``learned`` - 1. Other
words of a vector file may follow, whose vectors no training changes.
"""

import torch
from torch import Tensor, nn

from nextword.neural.layers import Embedding

CHANNELS = ("random", "static", "fine-tuned", "multichannel")
_SPREAD = 0.25  # Kim's: vectors begin anywhere from -0.25 to 0.25, about as far from 0 as those of word2vec


class WordChannels(nn.Module):
    """Vectors for ids, (…,) to (…, size). The id -1, padding, has a vector of zeros.

    random: learnt from random ones. static: given, and left alone. fine-tuned: given, and learnt further.
    multichannel: both of the last two, one after the other.
    """

    def __init__(self, channels: str, *, vocab_size: int, learned: int, size: int):
        """vocab_size: V; learned: how many ids the training text has; size: D."""
        super().__init__()
        self.channels, self.vocab_size, self.learned = channels, vocab_size, learned
        self.size = 2 * size if channels == "multichannel" else size
        self.tuned = None if channels == "static" else Embedding(learned, size)
        self._first = learned if channels == "fine-tuned" else 0  # the first id with a vector that stays as given
        given = 0 if channels == "random" else vocab_size - self._first
        self.given: Tensor
        self.register_buffer("given", torch.zeros(given, size))
        if self.tuned is not None:
            nn.init.uniform_(self.tuned.weight, -_SPREAD, _SPREAD)

    @torch.no_grad()
    def begin_with(self, vectors: Tensor) -> None:
        """Take up (V, D) vectors, of which those of the training text's words may be learnt further."""
        if self.tuned is not None:
            self.tuned.weight.copy_(vectors[: self.learned])
        if self.channels != "random":
            self.given.copy_(vectors[self._first :])

    def forward(self, tokens: Tensor) -> Tensor:
        """Ids of any shape, -1 for padding, (…,), to (…, size).

        Where all vectors are learnt, words beyond those of the training text are ``<unk>``, 0.
        """
        ids, real = tokens.clamp(min=0), (tokens >= 0).unsqueeze(-1)
        if self.tuned is None:
            return self.given[ids] * real
        beyond = ids >= self.learned
        found: Tensor = self.tuned(ids.masked_fill(beyond, 0))
        if self.channels != "random" and self.vocab_size > self.learned:
            given = self.given[(ids - self._first).clamp(min=0)]
            found = torch.where(beyond.unsqueeze(-1), given, found)
        if self.channels == "multichannel":
            found = torch.cat([found, self.given[ids]], dim=-1)
        return found * real


def drop_words(tokens: Tensor, share: float) -> Tensor:
    """Ids of which a share is replaced by 0, ``<unk>``, so that it comes to mean something; padding, -1, stays."""
    if not share:
        return tokens
    return tokens.masked_fill((torch.rand(tokens.shape, device=tokens.device) < share) & (tokens >= 0), 0)
