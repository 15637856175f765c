"""Choosing a device and a precision: machines differ, so the rules are tested, not the outcome."""

import subprocess

import pytest
import torch

from nextword.errors import UsageError
from nextword.neural import device


def test_what_is_named_is_taken():
    assert device.choose_device("cpu") == torch.device("cpu")
    assert device.choose_precision("float32") == torch.float32
    assert device.choose_precision("bfloat16") == torch.bfloat16


def test_auto_takes_an_accelerator_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.choose_device() == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.choose_device() == torch.device("cuda")


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError) as error:
        device.choose_device("cuda:1")
    assert str(error.value) == "device 'cuda:1' is not available here; available: cpu"
    with pytest.raises(UsageError) as error:
        device.choose_device("tpu")
    assert str(error.value) == "device 'tpu': expected one of auto, cpu, cuda, mps"
    with pytest.raises(UsageError) as error:
        device.choose_precision("float8")
    assert str(error.value) == "precision 'float8': expected one of auto, float32, bfloat16"


@pytest.mark.parametrize(
    ("instructions", "faster", "works", "expected"),
    [
        (True, True, True, torch.bfloat16),
        (False, True, True, torch.float32),
        (True, False, True, torch.float32),
        (True, True, False, torch.float32),
    ],
)
def test_auto_is_bfloat16_only_where_it_works_and_is_faster(monkeypatch, instructions, faster, works, expected):
    device._bfloat16_pays.cache_clear()
    monkeypatch.setattr(device, "_has_bfloat16_instructions", lambda: instructions)
    monkeypatch.setattr(device, "_seconds", lambda dtype: 3.0 if dtype == torch.float32 and faster else 1.0)
    monkeypatch.setattr(device, "bfloat16_works", lambda: works)
    assert device.choose_precision("auto", torch.device("cpu")) == expected
    device._bfloat16_pays.cache_clear()


def test_a_processor_that_crashes_is_noticed(monkeypatch):
    def crash(*arguments, **options):
        return subprocess.CompletedProcess(arguments, returncode=-4)  # SIGILL

    monkeypatch.setattr(subprocess, "run", crash)
    assert not device.bfloat16_works()


def test_a_processor_that_hangs_is_noticed(monkeypatch):
    def hang(*arguments, **options):
        raise subprocess.TimeoutExpired(arguments, 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert not device.bfloat16_works()
