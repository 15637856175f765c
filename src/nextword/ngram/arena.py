"""Where large arrays live: in memory, or in temporary files that are mapped to it."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nextword.types import Array


class Arena:
    """Makes arrays in memory."""

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array of that shape whose values do not matter yet."""
        array: np.ndarray[Any, Any] = np.empty(shape, dtype=dtype)
        return array

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array of zeros."""
        array: np.ndarray[Any, Any] = np.zeros(shape, dtype=dtype)
        return array
