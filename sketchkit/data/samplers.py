"""The order in which samples are drawn: endless, the same for every number of ranks, and taken up again anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from itertools import count

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from sketchkit.data.randomness import stable_seed
from sketchkit.declared import Seed
from sketchkit.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ResumableSampler(Sampler[tuple[int, int]]):
    """Endless pairs (index, draw), `draw` counting every sample drawn in the run by all ranks together.

    Epoch e is a permutation made from (seed, e) alone; rank r of w takes draws r, r + w, ... so that the ranks
    together walk the order of a single process. Iterating does not move the position: a data loader reads ahead, and
    only the training loop knows what was used; it says so with `skip`.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: Seed | None = None) -> None:
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.world = get_dist_info()
        self._start = 0

    def skip(self, draws_per_rank: int) -> None:
        """Begin the next iteration after this many draws of every rank, counted from the start of the run."""
        self._start = draws_per_rank

    def __len__(self) -> int:
        """One epoch's draws of a rank, rounded up."""
        return math.ceil(self.size / self.world)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, order = -1, list[int]()
        for draw in count(self._start * self.world + self.rank, self.world):
            if draw // self.size != epoch:
                epoch = draw // self.size
                order = self._order(epoch)
            yield order[draw % self.size], draw

    def _order(self, epoch: int) -> list[int]:
        if not self.shuffle:
            return list(range(self.size))
        generator = torch.Generator().manual_seed(stable_seed(self.seed, epoch))
        return torch.randperm(self.size, generator=generator).tolist()
