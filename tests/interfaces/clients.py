"""An interpreter with other people's programs, old NumPy and all, that tests talk to: ``make clients`` builds it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def client_python(*modules):
    """The interpreter of $NEXTWORD_CLIENTS or of .venv-clients, if it has the modules; else the test is skipped."""
    folder = Path(os.environ.get("NEXTWORD_CLIENTS", ROOT / ".venv-clients"))
    for name in ("bin/python", "Scripts/python.exe"):
        python = folder / name
        if python.exists():
            program = f"import {', '.join(modules)}"
            done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return python
            pytest.skip(f"{python} cannot import {', '.join(modules)}: {done.stderr.strip().splitlines()[-1]}")
    pytest.skip(f"there is no Python in {folder}; `make clients` makes one, or set NEXTWORD_CLIENTS to its folder")


class Client:
    """A program that answers JSON objects, one a line."""

    def __init__(self, *words):
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [str(word) for word in words], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, encoding="utf-8"
        )

    def ask(self, **question):
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
