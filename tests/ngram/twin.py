"""The estimators once more, as their definitions read: dictionaries, recursion, no arrays. Slow, and the oracle.

Written from the definitions alone; shares no code with what it checks.
"""

import math
from collections import Counter, defaultdict

UNK, BOS, EOS = "<unk>", "<s>", "</s>"


class Twin:
    """p(word given context) of one estimator, straight from counts."""

    def __init__(self, sentences, order, *, name, alpha=1.0, d=None, k=5, weights=None, interpolate_unigrams=True):
        self.n, self.name, self.alpha, self.d, self.k, self.weights = order, name, alpha, d, k, weights
        self.interpolate_unigrams = interpolate_unigrams
        padded = [[BOS, *sentence, EOS] for sentence in sentences]
        self.c = {
            j: Counter(tuple(s[i : i + j]) for s in padded for i in range(len(s) - j + 1)) for j in range(1, order + 1)
        }
        self.words = sorted({UNK, EOS} | {w for s in sentences for w in s})
        self.V = len(self.words)
        continuation = name in ("kneser-ney", "modified-kneser-ney")
        self.a = {j: self.adjusted(j) if continuation and j < order else Counter(self.c[j]) for j in self.c}
        self.a[1].pop((BOS,), None)
        self.after = defaultdict(Counter)  # context → its words' counts
        for grams in self.a.values():
            for gram, count in grams.items():
                if count:
                    self.after[gram[:-1]][gram[-1]] = count

    def adjusted(self, j):
        result = Counter({g: c for g, c in self.c[j].items() if g[0] == BOS})
        for gram in self.c[j + 1]:
            if gram[1] != BOS:
                result[gram[1:]] += 1
        return result

    def n_r(self, j, r):
        return sum(1 for count in self.a[j].values() if count == r)

    # discounts, per order

    def absolute(self, j):
        n1, n2 = self.n_r(j, 1), self.n_r(j, 2)
        if self.d is not None:
            return self.d
        return n1 / (n1 + 2 * n2) if n1 and n2 else 0.5

    def modified(self, j, count):
        n1, n2, n3, n4 = (self.n_r(j, r) for r in (1, 2, 3, 4))
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            ds = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if all(0 <= d <= r for r, d in enumerate(ds, start=1)):
                return ds[min(count, 3) - 1]
        return [0.5, 1.0, 1.5][min(count, 3) - 1]

    def good_turing(self, j, r):
        """What is taken from a count r, or None where Katz's estimates cannot be used."""
        n = [self.n_r(j, i) for i in range(self.k + 2)]
        if not all(n[1 : self.k + 1]):
            return None
        big = (self.k + 1) * n[self.k + 1] / n[1]
        if big == 1:
            return None
        ratios = [((i + 1) * n[i + 1] / n[i] / i - big) / (1 - big) for i in range(1, self.k + 1)]
        if not all(0 < ratio < 1 for ratio in ratios):
            return None
        return r * (1 - ratios[r - 1]) if r <= self.k else 0.0

    def discount(self, j, count):
        if self.name == "modified-kneser-ney":
            return self.modified(j, count)
        if self.name == "katz" and self.good_turing(j, 1) is not None:
            return self.good_turing(j, count)
        return self.absolute(j)

    # probabilities

    def p(self, word, context):
        """context: a tuple of at most n - 1 words, whole or beginning with <s>."""
        context = context[max(0, len(context) - self.n + 1) :]
        if self.name in ("add", "laplace"):
            return self.additive(word, context)
        if self.name == "mle":
            return self.relative(word, context)
        return self.recursive(word, context)

    def additive(self, word, h):
        whole = len(h) == self.n - 1 or (h and h[0] == BOS)
        counts = self.after[h] if whole else Counter()
        return (counts[word] + self.alpha) / (sum(counts.values()) + self.alpha * self.V)

    def relative(self, word, h):
        while not sum(self.after[h].values()):
            h = h[1:]
        return self.after[h][word] / sum(self.after[h].values())

    def lower(self, word, h):
        if h:
            return self.recursive(word, h[1:])
        if not self.interpolate_unigrams:
            return 1.0 if word == UNK else 0.0
        return 1 / self.V

    def recursive(self, word, h):
        counts, j = self.after[h], len(h) + 1
        total = sum(counts.values())
        if not total:
            return self.lower(word, h)
        c = counts[word]
        if self.name == "witten-bell":
            return (c + len(counts) * self.lower(word, h)) / (total + len(counts))
        if self.name == "jelinek-mercer":
            lam = self.weights[j - 1][min(int(math.log2(total)), len(self.weights[0]) - 1)]
            return lam * c / total + (1 - lam) * self.lower(word, h)
        if self.name in ("absolute", "katz"):
            return self.back_off(word, h, counts, total, j)
        taken = sum(self.discount(j, x) for x in counts.values())
        return (c - (self.discount(j, c) if c else 0)) / total + taken / total * self.lower(word, h)

    def back_off(self, word, h, counts, total, j):
        if len(counts) == self.V:
            return counts[word] / total
        kept = {w: x - self.discount(j, x) for w, x in counts.items()}
        if sum(kept.values()) >= total:  # nothing to give away: one count more makes room
            total += 1
        if word in counts:
            return kept[word] / total
        rest = 1 - sum(kept.values()) / total
        return rest * self.lower(word, h) / (1 - sum(self.lower(w, h) for w in counts))
