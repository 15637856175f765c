"""What ``import nextword`` offers: what it says it does, and lightly."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import nextword


def names_by_home():
    return [(home, name) for home, names in nextword._HOMES.items() for name in names]


def test_exported_members():
    """Every name is in ``__all__`` once, in the order that linters sort it, and has one home."""
    names = [name for _, name in names_by_home()]
    assert sorted(nextword.__all__) == sorted(names)
    assert len(set(names)) == len(names)
    assert dir(nextword) == sorted([*nextword.__all__, "__version__"])


@pytest.mark.parametrize(("home", "name"), names_by_home())
def test_every_member_can_be_imported_and_is_that_of_its_home(home, name):
    member = getattr(nextword, name)
    assert member is getattr(import_module(home), name)
    assert member.__module__ == home or home == "nextword.ngram.arpa"
    assert member.__doc__


def test_type_checkers_see_the_same_names():
    """The imports under TYPE_CHECKING, which editors read, are those of the lazy table."""
    tree = ast.parse(Path(nextword.__file__).read_text(encoding="utf-8"))
    (branch,) = [node for node in tree.body if isinstance(node, ast.If)]
    found = {(statement.module, alias.name) for statement in branch.body for alias in statement.names}
    assert found == set(names_by_home())


def test_star_import():
    space = {}
    exec("from nextword import *", space)
    assert set(nextword.__all__) <= set(space)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="^module 'nextword' has no attribute 'nope'$"):
        nextword.nope  # noqa: B018
    with pytest.raises(ImportError):
        from nextword import nope  # noqa: F401


def test_the_version_is_that_of_the_package():
    assert nextword.__version__ == version("nextword")


HEAVY = ("numpy", "numba", "torch", "typer", "click", "rich", "tokenizers", "pydantic")


def loaded(program):
    program = f"import sys, json; {program}; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_nextword_is_light():
    assert loaded("import nextword; nextword.__version__; dir(nextword); nextword.__all__") == []


def test_help_needs_neither_numpy_nor_the_compiler():
    program = "from nextword.interfaces.cli import run; run(['--help']); run(['evaluate', '--help'])"
    assert not {"numpy", "numba", "torch", "tokenizers"} & set(loaded(program))
