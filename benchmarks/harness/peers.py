"""Where KenLM is on this machine, if it is: its programs, and a Python that has its module."""

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import NamedTuple

MEMORY = "2G"  # for lmplz: its default, 80 % of all memory, makes it spend seconds on clearing pages it never needs


class Peers(NamedTuple):
    """Paths, None for what is absent. module: a Python interpreter whose environment has ``kenlm``."""

    module: Path | None
    lmplz: Path | None
    query: Path | None
    build_binary: Path | None


def add_arguments(parser: ArgumentParser) -> None:
    """``--kenlm``, ``--lmplz``, ``--query`` and ``--build-binary``."""
    group = parser.add_argument_group("peers", "looked for in the folder $PEER, $PEER/bin and on the PATH unless given")
    group.add_argument("--kenlm", type=Path, metavar="PYTHON", help="a Python interpreter that can import kenlm")
    group.add_argument("--lmplz", type=Path, metavar="FILE", help="KenLM's program that trains")
    group.add_argument("--query", type=Path, metavar="FILE", help="KenLM's program that scores")
    group.add_argument("--build-binary", type=Path, metavar="FILE", help="KenLM's program that makes binary models")


def find(arguments: Namespace) -> Peers:
    """What was given or can be found; says what is absent."""
    module = next(filter(_has_kenlm, _pythons(arguments.kenlm)), None)
    lmplz = arguments.lmplz or _program("lmplz", None)
    query = arguments.query or _program("query", lmplz)
    build_binary = arguments.build_binary or _program("build_binary", lmplz)
    found = Peers(module, lmplz, query, build_binary)
    for name, path in found._asdict().items():
        if path is None:
            print(f"absent: KenLM's {'Python module' if name == 'module' else name}; going on without (see --help)")
    return found


def _pythons(given: Path | None) -> list[Path]:
    if given is not None:
        return [given]
    return [*(folder / "python" for folder in _folders()), Path(sys.executable)]


def _has_kenlm(python: Path) -> bool:
    if not python.is_file():
        return False
    return subprocess.run([python, "-c", "import kenlm"], capture_output=True, check=False).returncode == 0


def _program(name: str, sibling: Path | None) -> Path | None:
    """``name`` beside another of KenLM's programs, in $PEER, or on the PATH."""
    folders = [*([sibling.parent] if sibling else []), *_folders()]
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    return found or (Path(path) if (path := shutil.which(name)) else None)


def _folders() -> list[Path]:
    peer = os.environ.get("PEER")
    return [Path(peer), Path(peer) / "bin"] if peer else []
