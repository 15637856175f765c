"""A decode with pyctcdecode, over KenLM's module or over ours: python kenlm_decoding.py MODEL [ours]. Prints JSON."""

import json
import random
import sys

if sys.argv[2:] == ["ours"]:
    import nextword.interfaces.kenlm

    nextword.interfaces.kenlm.install()
import kenlm
import numpy as np
from pyctcdecode import build_ctcdecoder

WORDS = ["a", "b", "c", "d", "e", "ee", "f", "g", "h", "in", "of", "the", "they", "it"]
LABELS = [" ", *"abcdefghinoty", ""]  # the last is CTC's blank


def logits(seed):
    """Log-probabilities of a noisy recording of known words, (T, labels)."""
    chance = random.Random(seed)
    spoken = " ".join(chance.choice(WORDS) for _ in range(8))
    scores = np.array([[chance.gauss(0, 0.8) for _ in LABELS] for _ in range(2 * len(spoken))])
    for i, letter in enumerate(spoken):
        scores[2 * i, LABELS.index(letter)] += 3.5
        scores[2 * i + 1, LABELS.index("")] += 3.5
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


decoder = build_ctcdecoder(LABELS, sys.argv[1], unigrams=WORDS, alpha=0.7, beta=1.2, unk_score_offset=-3.0)
beams = []
for seed in range(4):
    for text, state, frames, logit_score, lm_score in decoder.decode_beams(logits(seed), beam_width=20):
        assert isinstance(state, kenlm.State)
        beams.append([text, frames, logit_score, lm_score])
print(json.dumps(beams, default=float))
