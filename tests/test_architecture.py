"""The layout is the flow: imports go one way, and heavy or chatty things stay in their rooms."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "nextword"

# A module may import from the lines above its own. On one line, no name may import another.
LEVELS = [
    {"errors", "types"},
    {"durable", "kinds"},
    {"tensors"},
    {"text"},
    {"model"},
    {"ngram", "neural", "mixture"},
    {"manifest"},
    {"store"},
    {"tasks"},
    {"lm"},
    {"api"},
    {"cluster"},
    {"interfaces"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}


def violations(source: Path) -> list[str]:
    """Every breach of the layout's rules under a package folder, as ``file:line: what is wrong``."""
    return [found for file in sorted(source.rglob("*.py")) for found in _violations_in(source, file)]


def _violations_in(source: Path, file: Path) -> Iterator[str]:
    relative = file.relative_to(source)
    room = relative.parts[0].removesuffix(".py")
    if "utils" in relative.with_suffix("").parts:
        yield f"{relative}:1: nothing is named utils; name the file for what it holds"
    if room not in LEVEL and room != "__init__":
        yield f"{relative}:1: {room} has no place in LEVELS"
        return
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if room != "interfaces" and isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print":
            yield f"{relative}:{node.lineno}: print outside interfaces/"
        for module in _imported(node):
            wrong = _wrong_import(room, module)
            if wrong:
                yield f"{relative}:{node.lineno}: {wrong}"


def _imported(node: ast.AST) -> list[str]:
    """Dotted names that a statement imports; ``from nextword import tensors`` is ``nextword.tensors``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        return [f"{base}.{alias.name}" for alias in node.names] if base == "nextword" else [base]
    return []


def _wrong_import(room: str, module: str) -> str | None:
    top, *rest = module.split(".")
    if module.startswith("."):
        return "relative import; write it from nextword on"
    if top == "torch" and room != "neural":
        return "torch outside neural/"
    if top in {"typer", "rich", "click"} and room != "interfaces":
        return f"{top} outside interfaces/"
    if top == "ray" and room != "cluster":
        return "ray outside cluster/"
    if top != "nextword" or room == "__init__":
        return None
    target = rest[0] if rest else "__init__"
    if target not in LEVEL:  # a public name of the package itself, which gathers everything up to api
        if LEVEL[room] > LEVEL["api"]:
            return None
        return f"imports {module}, which has no place in LEVELS; import from the module that defines the name"
    if target != room and LEVEL[target] >= LEVEL[room]:
        return f"{room} imports {target}, which is not below it"
    return None


def test_the_source_keeps_the_layout():
    assert violations(SOURCE) == []


def test_each_rule_can_fail(tmp_path):
    tree = {
        "text/corpus.py": "import nextword.ngram.counting\n",
        "ngram/counting.py": "from nextword import neural\nfrom nextword.text.corpus import x\n",
        "neural/layers.py": "import torch\nif True:\n    from nextword.ngram.counting import y\n",
        "tasks/evaluate.py": "import numpy\nprint('hello')\ndef f():\n    import torch.nn, ray.data\n",
        "tasks/utils.py": "",
        "store.py": "from . import text\nfrom rich import box\n",
        "extra.py": "",
        "api.py": "from nextword import load\n",
        "interfaces/cli.py": "import typer\nfrom nextword import load\nprint('hello')\n",
        "__init__.py": "from nextword.api import load\n",
    }
    for name, text in tree.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert violations(tmp_path) == [
        "api.py:1: imports nextword.load, which has no place in LEVELS; import from the module that defines the name",
        "extra.py:1: extra has no place in LEVELS",
        "neural/layers.py:3: neural imports ngram, which is not below it",
        "ngram/counting.py:1: ngram imports neural, which is not below it",
        "store.py:1: relative import; write it from nextword on",
        "store.py:2: rich outside interfaces/",
        "tasks/evaluate.py:2: print outside interfaces/",
        "tasks/evaluate.py:4: torch outside neural/",
        "tasks/evaluate.py:4: ray outside cluster/",
        "tasks/utils.py:1: nothing is named utils; name the file for what it holds",
        "text/corpus.py:1: text imports ngram, which is not below it",
    ]


def test_importing_nextword_imports_nothing_heavy():
    program = "import sys, nextword; print(sorted({'torch', 'typer', 'rich', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
