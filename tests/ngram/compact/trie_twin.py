"""A slow reader of a quantised trie, written from the format's description alone: one long integer, bit by bit.

It finds every n-gram with its probability, and every context's back-off weight, so that dictionaries take the place of
everything that the model does.
"""

import math
import struct

import numpy as np


class TrieTwin:
    """p(w given h) from dictionaries: ``p`` of n-grams and ``weights`` of contexts, both by tuples of ids."""

    def __init__(self, model):
        arrays, self.given = model.arrays(), model.parameters()
        self.bos, self.eos, self.size = model.vocabulary.bos, model.vocabulary.eos, len(model.vocabulary)
        self.string = sum(int(word) << (64 * i) for i, word in enumerate(arrays["words"]))
        self.codebooks, self.coded = arrays["codebooks"].astype(float), arrays["weights"].astype(float)
        self.p, self.weights = {}, {}
        for word, (log_p, log_weight) in enumerate(arrays["unigrams"].astype(float).tolist()):
            self.p[word,], self.weights[word,] = 10**log_p, 10**log_weight
        self.at = 0
        contexts = [(word,) for word in range(self.size)]
        for k in range(1, self.given["order"]):
            contexts = self._read_order(k, contexts, arrays["first"])

    def _field(self, at, width):
        return (self.string >> at) & ((1 << width) - 1)

    def _part(self, bits):
        """Where the next part begins; each fills whole words."""
        begin = self.at
        self.at += -(-bits // 64) * 64
        return begin

    def _read_order(self, k, contexts, first):
        """The children of all contexts of k words, given in order."""
        counts, bits = self.given["counts"], self.given["bits"]
        children, rank_bits = counts[k], counts[k] * _width(self.size) if k == 1 else self.given["rank_bits"][k - 2]
        codes, ranks = self._part(children * bits), self._part(rank_bits)
        if k == 1:
            begins = [int(i) for i in first]
        else:
            begins, places = self._rising(len(contexts) + 1, children, rank_bits)
            weights = self._part(len(contexts) * self.given["weight_bits"])
        found = []
        for i, context in enumerate(contexts):
            suffix = context[1:]
            siblings = [gram[-1] for gram in self.p if gram[:-1] == suffix] if suffix else list(range(self.size))
            count = begins[i + 1] - begins[i]
            width = _width(self.size) if k == 1 else _width(len(siblings)) if count < len(siblings) else 0
            place = ranks + (begins[i] * width if k == 1 else places[i])
            stored = k > 1 and count > self.given["stored_above"]
            own = [context + (siblings[self._rank(place + 32 * stored, width, j)],) for j in range(count)]
            for j, gram in enumerate(own):
                self.p[gram] = 10 ** self.codebooks[k - 1, self._field(codes + (begins[i] + j) * bits, bits)]
            if k > 1:
                self.weights[context] = self._weight(context, own, stored and place)
                if self.given["weight_bits"]:
                    width = self.given["weight_bits"]
                    self.weights[context] = 10 ** self.coded[k - 1, self._field(weights + i * width, width)]
            found += own
        return found

    def _rank(self, place, width, j):
        return self._field(place + j * width, width) if width else j

    def _weight(self, context, own, place):
        if place:
            return struct.unpack("<f", self._field(place, 32).to_bytes(4, "little"))[0]
        left = 1 - sum(self.p[gram] for gram in own)
        return left / (1 - sum(self.p[gram[1:]] for gram in own)) if own else 1.0

    def _rising(self, n, last, other_last):
        """The two rising sequences of n numbers each."""
        low = [max(0, int(math.log2(x / n))) if x >= n else 0 for x in (last, other_last)]
        lows = self._part(n * sum(low))
        sequences = []
        for which, x in enumerate((last, other_last)):
            high = self._part((x >> low[which]) + n)
            ones = [i for i in range((x >> low[which]) + n) if self._field(high + i, 1)]
            numbers = []
            for i, one in enumerate(ones):
                rest = self._field(lows + i * sum(low) + which * low[0], low[which])
                numbers.append(((one - i) << low[which]) + rest)
            assert len(numbers) == n
            sequences.append(numbers)
        return sequences

    def probability(self, word, context):
        """p of a word after a context, a tuple of ids."""
        if context + (word,) in self.p:
            return self.p[context + (word,)]
        return self.weights.get(context, 1.0) * self.probability(word, context[1:])

    def row(self, context):
        """Probabilities of all words, (V,)."""
        found = np.array([self.probability(word, context) for word in range(self.size)])
        found[self.bos] = 0.0
        return found


def _width(things):
    return max(things - 1, 0).bit_length()
