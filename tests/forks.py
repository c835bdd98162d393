"""Commands in forks of this process, in which torch is imported: a new interpreter takes seconds for that alone."""

import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import torch

FORK = multiprocessing.get_context("fork")


class Fork:
    """A forked process that calls a function, with what tests use of `subprocess.Popen`."""

    def __init__(self, function, *args, cwd=None, env=None):
        self._folder = tempfile.TemporaryDirectory()
        self._said = [Path(self._folder.name) / name for name in ("out", "err")]
        self._process = FORK.Process(target=_call, args=(self._said, cwd, env or {}, function, args))
        self._process.start()
        self.pid = self._process.pid
        # A test that fails leaves nothing running.
        weakref.finalize(self, _end, self._process, os.getpid())

    def send_signal(self, number):
        os.kill(self.pid, number)

    def poll(self):
        return self._process.exitcode

    def result(self, timeout=240):
        """A `subprocess.CompletedProcess`, once it has ended."""
        self._process.join(timeout)
        _end(self._process, os.getpid())
        out, err = (path.read_text() if path.exists() else "" for path in self._said)
        return subprocess.CompletedProcess(self._process.name, self._process.exitcode, out, err)


def sketchkit(*words, **options):
    """`sketchkit WORDS...`, started."""
    from sketchkit.cli import main

    return Fork(main, [*map(str, words)], **options)


def tool(command, *words, **options):
    """A click command of `tools/`, started with the words as its program does it."""
    from sketchkit.cli import run

    return Fork(run, command, [*map(str, words)], "tool", **options)


def training(*words, **options):
    """`python tools/train.py WORDS...`, started."""
    from sketchkit.cli.train import command

    return tool(command, *words, **options)


def training_together(count, *words):
    """The same in `count` processes, as torchrun starts them; a list."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [training(*words, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(count)]


def succeeded(fork, timeout=240):
    """What a fork that ended well printed."""
    done = fork.result(timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _end(process, parent):
    """Kill it, with what it has started, where it has not ended; a fork of the parent leaves it alone."""
    if os.getpid() == parent and process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _call(said, cwd, env, function, args):
    os.setsid()  # as a shell's jobs, it is the head of a group, which a test can signal
    for number, path in zip((1, 2), said, strict=True):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger().handlers.clear()  # pytest's
    os.environ.update(env)
    os.chdir(cwd or ".")
    torch.set_num_threads(1)
    gc.freeze()  # a collection would look through, and so copy, all that the parent has
    function(*args)
