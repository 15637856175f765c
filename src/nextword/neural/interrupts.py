"""Ctrl-C and SIGTERM as a wish that is granted between two steps, when everything fits together."""

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While this is entered, the first SIGINT or SIGTERM sets ``asked``; a second one raises KeyboardInterrupt at once.

    Outside the main thread, where Python handles no signals, nothing changes; nor if it is not ``wanted``.
    """

    def __init__(self, *, wanted: bool = True):
        self.asked = False
        self._wanted = wanted and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if self._wanted:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
