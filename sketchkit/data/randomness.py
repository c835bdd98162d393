"""Random numbers that depend on names alone: not on workers, ranks, or what ran before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stable_seed(*parts: object) -> int:
    """A 63-bit seed from the parts' text: the same in every process and on every machine."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@contextmanager
def seeded(*parts: object) -> Iterator[None]:
    """Within, torch's CPU generator is seeded from `parts`; afterwards it is as it was."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that would also reseed the accelerators, which are not restored here.
        torch.default_generator.manual_seed(stable_seed(*parts))
        yield
