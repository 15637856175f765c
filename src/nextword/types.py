"""Array aliases. A name's letters are the array's shape, wherever it appears.

    B  batch (rows)      V  vocabulary (one column per id)
    T  time (tokens)     R  rows chosen from a batch
    D  embedding         H  hidden units
    N  n-grams

Token ids are int32; -1 pads the end of a row. Log-probabilities are nats unless a name says otherwise.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids_T: TypeAlias = NDArray[np.int32]
Ids_BT: TypeAlias = NDArray[np.int32]
Ids_R: TypeAlias = NDArray[np.integer[Any]]
Float_T: TypeAlias = NDArray[np.floating[Any]]
Float_V: TypeAlias = NDArray[np.floating[Any]]
Float_BT: TypeAlias = NDArray[np.floating[Any]]
Float_BV: TypeAlias = NDArray[np.floating[Any]]
Bytes: TypeAlias = NDArray[np.uint8]
Array: TypeAlias = NDArray[Any]
Json: TypeAlias = dict[str, Any]
