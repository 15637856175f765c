"""Makes the files here: python make.py BUILD_BINARY (KenLM 0.3.0's program), where the kenlm module is installed.

words.arpa is a random back-off model of order 4 that no one estimated: words of several scripts, weights that are 0,
missing or above 0, n-grams with ``<unk>``, and n-grams whose suffix is no n-gram, as SRILM writes when it prunes.
pairs.arpa is its orders 1 and 2 alone.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WORDS = [
    "a", "b", "c", "d", "e", "ee", "f", "g", "h", "in", "of", "the", "they", "it", "naïve", "日本", "日", "книга", "ёж",
    "zébra", ".", ",",
]  # fmt: skip
SIZES = (0, 110, 120, 70)
KINDS = {
    "probing": ["probing"],
    "probing-tight": ["-p", "1.2", "-v", "probing"],
    "rest": ["-r", "one.arpa pairs.arpa triples.arpa", "probing"],
    "trie": ["trie"],
    "trie-q": ["-q", "5", "-b", "4", "trie"],
    "trie-a": ["-a", "255", "trie"],
    "trie-qa": ["-q", "4", "-b", "5", "-a", "3", "trie"],
}
SENTENCES = [
    "", "a b c", "the naïve 日本 книга .", "they e ee f g h", "unknown a unknown b", "<unk> the ёж", "a </s> b <s> c",
    "in\tof \x0b the\x0c it\r\n ,", "a\x00b c", "日 日本 zébra zebra . . . .",
]  # fmt: skip


def arpa(order: int) -> str:
    """The model's orders up to ``order``; the same random numbers whatever that is."""
    chance = random.Random(4)
    orders = [{(word,): chance.uniform(-5, -0.5) for word in ["<unk>", "<s>", "</s>", *WORDS]}]
    for k in range(1, len(SIZES)):
        below, found, open_ones = list(orders[-1]), {}, 0
        while len(found) < SIZES[k]:
            context, word = chance.choice(below), chance.choice(["</s>", "<unk>", *WORDS])
            whole = (*context, word)
            closed = whole[1:] in orders[-1]
            if context[-1] != "</s>" and (closed or open_ones < 4):
                found[whole] = chance.uniform(-4, -0.01)
                open_ones += not closed
        orders.append(found)
    weights = [
        {gram: chance.choice(["", "\t0", f"\t{chance.uniform(-2, 0.3):.5g}"]) for gram in grams} for grams in orders
    ]
    lines = ["\\data\\", *(f"ngram {k}={len(grams)}" for k, grams in enumerate(orders[:order], start=1))]
    for k, grams in enumerate(orders[:order], start=1):
        lines += ["", f"\\{k}-grams:"]
        lines += [
            f"{prob:.6g}\t{' '.join(gram)}{weights[k - 1][gram] if k < order else ''}" for gram, prob in grams.items()
        ]
    return "\n".join([*lines, "", "\\end\\", ""])


def main() -> None:
    """Write everything."""
    import kenlm

    for order, name in enumerate(("one", "pairs", "triples", "words"), start=1):
        (HERE / f"{name}.arpa").write_text(arpa(order), encoding="utf-8")
    for name, options in KINDS.items():
        subprocess.run([sys.argv[1], *options, "words.arpa", f"{name}.bin"], cwd=HERE, check=True)
    subprocess.run([sys.argv[1], "-a", "255", "trie", "pairs.arpa", "pairs.bin"], cwd=HERE, check=True)
    models = {file.name: kenlm.Model(str(file)) for file in sorted([*HERE.glob("*.bin"), HERE / "words.arpa"])}
    scores = {name: [list(model.full_scores(text)) for text in SENTENCES] for name, model in models.items()}
    (HERE / "scores.json").write_text(json.dumps({"sentences": SENTENCES, "scores": scores}, indent=0))
    for name in ("one", "triples"):
        (HERE / f"{name}.arpa").unlink()


if __name__ == "__main__":
    main()
