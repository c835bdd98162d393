"""What a machine runs out of is one line with the mend."""

import errno
import platform
import resource

import pytest
import torch

from sketchkit.cli import main
from sketchkit.errors import DataError, ShortageError
from sketchkit.memory import in_words, kept_when_freed, shortages

SHARED = "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory on this machine: lower batch_size"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
         "out of memory on this machine: lower batch_size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"), "out of memory on the GPU: lower"),
        (RuntimeError(f"{SHARED} shared memory.\nTraceback"), r"no shared memory .*/dev/shm, .*num_workers=0"),
        (RuntimeError("unable to write to file </torch_12_34_0>: No space left on device (28)"), "no shared memory"),
        (OSError(errno.ENOSPC, "No space", "out/a.png"), r"out/a\.png cannot be written: the disk is full \(\d+ MiB"),
    ],
)  # fmt: skip
def test_a_shortage_is_a_line(error, said):
    with pytest.raises(ShortageError, match=said) as caught, shortages("lower batch_size"):
        raise error
    assert "\n" not in str(caught.value)


def test_other_errors_are_left_as_they_are():
    for error in (RuntimeError("shapes do not fit"), FileNotFoundError(errno.ENOENT, "x"), DataError("out of memory")):
        with pytest.raises(type(error)), shortages("lower batch_size"):
            raise error
        assert isinstance(error, DataError) or in_words(error) is None


def test_a_command_that_runs_out_of_memory_says_so(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("sketchkit.inference.TrainedTranslator.__init__", fail)
    (tmp_path / "a.png").touch()
    with pytest.raises(SystemExit) as ended:
        main(["translate", str(tmp_path), str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: out of memory on the GPU: take smaller pictures")


def faults_of_a_block(times=5):
    """The page faults of each time that 64 MiB are taken and filled."""
    found = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(2**24).sum()
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return found


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_a_training_frees_comes_back_without_a_page_fault_and_goes_back_in_the_end():
    with kept_when_freed():
        again = faults_of_a_block()[1:]
    # The least, for something small may lie in its place.
    assert min(again) < 1000
    assert faults_of_a_block(1)[0] > min(again) + 100  # all of them, or of pages that are huge
