"""A decode with pyctcdecode, over KenLM's module or over ours: python kenlm_decoding.py MODEL [ours]. Prints JSON."""

import json
import random
import sys

WORDS = ["a", "b", "c", "d", "e", "ee", "f", "g", "h", "in", "of", "the", "they", "it"]
LABELS = [" ", *"abcdefghinoty", ""]  # the last is CTC's blank


def logits(seed):
    """Log-probabilities of a noisy recording of known words, (T, labels)."""
    import numpy as np

    chance = random.Random(seed)
    spoken = " ".join(chance.choice(WORDS) for _ in range(8))
    scores = np.array([[chance.gauss(0, 0.8) for _ in LABELS] for _ in range(2 * len(spoken))])
    for i, letter in enumerate(spoken):
        scores[2 * i, LABELS.index(letter)] += 3.5
        scores[2 * i + 1, LABELS.index("")] += 3.5
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def main(model, options):
    """Decode a few recordings; every beam's text, frames and scores."""
    if options == ["ours"]:
        import nextword.interfaces.kenlm

        nextword.interfaces.kenlm.install()
    import kenlm
    from pyctcdecode import build_ctcdecoder

    decoder = build_ctcdecoder(LABELS, model, unigrams=WORDS, alpha=0.7, beta=1.2, unk_score_offset=-3.0)
    beams = []
    for seed in range(4):
        for text, state, frames, logit_score, lm_score in decoder.decode_beams(logits(seed), beam_width=20):
            assert isinstance(state, kenlm.State)
            beams.append([text, frames, logit_score, lm_score])
    print(json.dumps(beams, default=float))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
