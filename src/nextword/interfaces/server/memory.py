"""Memory that requests have freed goes back to the system when there is nothing to do.

The C library keeps what was freed, in an arena for every few threads: after a rush a server would hold it for ever.
"""

import asyncio
import ctypes
from collections.abc import Callable

from nextword.interfaces.server.metrics import Metrics

_PAUSE = 2.0  # seconds between two looks


async def give_back(counts: Metrics) -> None:
    """Hand back free memory each time that requests have been answered and none is at work; runs until cancelled."""
    trim, answered = _trim(), 0
    while trim is not None:
        await asyncio.sleep(_PAUSE)
        if counts.running == 0 and (now := counts.requests.total()) != answered:
            answered = now
            await asyncio.to_thread(trim, 0)


def _trim() -> Callable[[int], int] | None:
    """The function ``malloc_trim`` of glibc, None with another C library."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return found
