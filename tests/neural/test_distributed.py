"""Data-parallel training: two processes make the model that one makes of the same batches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from nextword.errors import UsageError  # noqa: E402
from nextword.neural.distributed import Group, joined  # noqa: E402


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which Windows cannot")
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no distributed training")
def test_two_processes_make_the_model_of_one(tmp_path):
    program = Path(__file__).with_name("together.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    assert len(found) == 7, done.stderr
    for name, figure in found.items():
        assert figure < 1e-5 if "against one" in name else figure == 0, (name, figure)
    assert "was begun with processes 2, not 1; resume with the same settings" in done.stderr


def test_rows_are_shared_out():
    for size in (1, 2, 3):
        for rows in (0, 1, 5, 12):
            parts = [part for rank in range(size) for part in Group(rank, size).parts(rows, 2)]
            assert [row for part in parts for row in range(rows)[part]] == list(range(rows))
    assert Group(1, 2).parts(8, 1) == [slice(4, 8)]


def test_batches_that_cannot_be_shared_out():
    with pytest.raises(UsageError) as caught:
        Group(0, 3).check_batch(32, 1)
    assert str(caught.value) == "a batch of 32 rows cannot be shared by 3 processes; give a multiple"


def test_one_process_is_a_group_of_its_own(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined() as group:
        assert group == Group(0, 1) and group.first
        assert group.sum([1.5]) == group.agree([1.5]) == [1.5]
