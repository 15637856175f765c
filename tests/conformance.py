"""``check_language_model`` with the round trip through a model directory that every kind must survive."""

import tempfile
from pathlib import Path

import numpy as np

from nextword import store
from nextword.model import check_language_model


def reload(lm):
    """Save and load: what comes back must give equal arrays."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "model"
        store.save(directory, lm)
        return store.load(directory).model


def conforms(lm, *, tokens=None, seed=0, tolerance=1e-6, reloaded=True):
    """Every promise of the protocol, on given tokens (a list of rows of ids) or on drawn ones."""
    batch = None
    if tokens is not None:
        batch = np.full((len(tokens), max(map(len, tokens))), -1, dtype=np.int32)
        for row, ids in zip(batch, tokens, strict=True):
            row[: len(ids)] = ids
    check_language_model(lm, tolerance, tokens=batch, reload=reload if reloaded else None, seed=seed)
