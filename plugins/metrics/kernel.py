"""KID: how far apart two sets of pictures are, without bias (Binkowski et al., ICLR 2018, section 4)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from sketchkit.errors import ConfigError, DataError
from sketchkit.evaluation.features.classifiers import make_extractor
from sketchkit.evaluation.features.statistics import check_features
from sketchkit.evaluation.metric import Features, PictureMetric, Setup
from sketchkit.options import whole_number
from sketchkit.registry import PICTURE_METRICS

SUBSET_SIZE = 1000  # as most papers have it
FEW = 100
BLOCK = 2048  # rows and columns of the kernel's matrix in memory at a time


@PICTURE_METRICS.register_module(name="kid")
class KernelDistance(PictureMetric):
    """The squared maximum mean discrepancy under the kernel (x.y / D + 1)^3: 0 is expected of equal distributions.

    Without bias it is as often below 0 as above where there is no difference.

    Args:
        setup: see `Setup`; its seed draws the subsets.
        feature_extractor, resize: see `make_extractor`.
        subsets: None takes all pictures, which has the least variance; a number takes the mean over so many random
            subsets, as most papers do.
        subset_size: pictures of each kind in a subset; 1,000 where nothing else is said.

    Raises:
        ConfigError: no subset, one of fewer than two pictures, or a size of subsets and no subsets.
    """

    better = "lower"
    least = 2

    def __init__(
        self,
        setup: Setup = Setup(),
        feature_extractor: str = "inception",
        resize: str = "tf",
        subsets: int | None = None,
        subset_size: int | None = None,
    ) -> None:
        if subsets is not None:
            whole_number("subsets", subsets, 1)
        if subset_size is not None:
            whole_number("subset_size", subset_size, 2)
            if subsets is None:
                raise ConfigError(f"subset_size={subset_size} is of subsets: give their number too, as subsets=100")
        self.extractor = make_extractor(setup, feature_extractor, resize)
        self.seed, self.subsets, self.subset_size = setup.seed, subsets, subset_size or SUBSET_SIZE

    def compute(self, features: Features) -> dict[str, float]:
        """{'kid': the distance}; of subsets, the mean over them, and 'kid_std', their deviation (over all of them).

        Raises:
            DataError: fewer than two pictures of a kind, fewer than a subset takes, or features that are not finite.
        """
        assert features.real is not None and features.fake is not None
        for rows in (features.real, features.fake):
            check_features(rows)
        if self.subsets is None:
            return {"kid": squared_mmd(features.real, features.fake)}
        values = self._of_subsets(features.real, features.fake, self.subsets)
        return {"kid": float(np.mean(values)), "kid_std": float(np.std(values))}

    def remark(self, features: Features) -> str | None:
        """That chance moves it, where there are few pictures."""
        assert features.real is not None and features.fake is not None
        fewest = min(len(features.real), len(features.fake))
        return f"of {fewest} pictures is moved by chance, also below 0: measure more" if fewest < FEW else None

    def _of_subsets(self, real: Tensor, fake: Tensor, subsets: int) -> list[float]:
        fewest = min(len(real), len(fake))
        if fewest < self.subset_size:
            raise DataError(
                f"kid cannot draw subsets of {self.subset_size} from {fewest} pictures: "
                f"give subset_size={fewest} or less, or leave subsets out"
            )
        # torch-fidelity's draws, with the fakes first as its first input: the same seed gives the same subsets.
        draw = np.random.RandomState(self.seed)
        values = []
        for _ in range(subsets):
            chosen = [f[draw.choice(len(f), self.subset_size, replace=False)] for f in (fake, real)]
            values.append(squared_mmd(*chosen))
        return values


def squared_mmd(first: Tensor, second: Tensor) -> float:
    """The unbiased estimate of MMD^2 of features (M, D) and (N, D) in float64 (Gretton et al., JMLR 2012, eq. 3)."""
    m, n = len(first), len(second)
    across = sum(_kernel(rows, columns).sum().item() for rows in first.split(BLOCK) for columns in second.split(BLOCK))
    return _others(first) / (m * (m - 1)) + _others(second) / (n * (n - 1)) - 2 * across / (m * n)


def _kernel(rows: Tensor, columns: Tensor) -> Tensor:
    """(M, D) and (N, D) -> (M, N) float64."""
    return (rows.double() @ columns.double().T / rows.shape[1] + 1) ** 3


def _others(features: Tensor) -> float:
    """The kernel's sum over all pairs of two different rows."""
    blocks = features.split(BLOCK)
    total = 0.0
    for i, rows in enumerate(blocks):
        own = _kernel(rows, rows)
        total += (own.sum() - own.trace()).item()
        total += sum(2 * _kernel(rows, columns).sum().item() for columns in blocks[i + 1 :])
    return total
