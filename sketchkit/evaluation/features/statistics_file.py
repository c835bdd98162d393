"""Statistics of a reference set in a file, with the protocol they were taken by: used only where it is the same."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sketchkit.atomic import whole
from sketchkit.errors import DataError
from sketchkit.evaluation.features.statistics import Statistics
from sketchkit.evaluation.metric import FeatureExtractor
from sketchkit.files import parse_json, regular_file

SUFFIX = ".npz"
FORMAT = "sketchkit statistics"
MEND = "write it with --save-stats"


@dataclass(frozen=True)
class StatisticsFile:
    """What a file holds: mean and covariance; whose they are and how they were taken, where the file says it.

    Attributes:
        extractor: the identity of that whose features these are statistics of; None in files of others, which hold
            `mu` and `sigma` alone.
        fingerprint: of the set's contents, as `PictureSet.fingerprint`.
    """

    path: Path
    statistics: Statistics
    extractor: dict[str, Any] | None = None
    fingerprint: str | None = None

    def check(self, extractor: FeatureExtractor, fingerprint: str | None = None) -> None:
        """Refuse statistics that were taken otherwise, or of other pictures where a fingerprint is given.

        Raises:
            DataError: says what differs.
        """
        # Through JSON as the file's own, which has no tuples.
        wanted = json.loads(json.dumps(extractor.identity))
        if self.extractor is not None and self.extractor != wanted:
            keys = sorted({*self.extractor, *wanted})
            differ = [
                f"{key} {self.extractor.get(key)} and not {wanted.get(key)}"
                for key in keys
                if self.extractor.get(key) != wanted.get(key)
            ]
            raise DataError(f"{self.path} was taken by another protocol: {', '.join(differ)}; take it again")
        if len(self.statistics.mean) != extractor.width:
            raise DataError(f"{self.path} is of {len(self.statistics.mean)} features and not of {extractor.width}")
        if fingerprint is not None and self.fingerprint != fingerprint:
            raise DataError(
                f"{self.path} is of other pictures than these: delete it, or give --save-stats another name"
            )


def save_statistics(path: Path, statistics: Statistics, extractor: FeatureExtractor, fingerprint: str) -> None:
    """Write statistics with what they are of; readers never see half a file. pytorch-fid can read it too."""
    about = {"format": FORMAT, "extractor": extractor.identity, "fingerprint": fingerprint, "count": statistics.count}
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mu=statistics.mean.numpy(),
            sigma=statistics.covariance.numpy(),
            about=np.array(json.dumps(about)),
        )


def load_statistics(path: Path) -> StatisticsFile:
    """Read a file of `save_statistics`, or of pytorch-fid.

    Raises:
        DataError: the file is missing or damaged, or holds no statistics.
    """
    if not path.exists():
        raise DataError(f"no statistics at {path}: write them with --save-stats")
    try:
        with np.load(regular_file(path), allow_pickle=False) as content:
            mean, covariance = (torch.from_numpy(content[key].astype(np.float64)) for key in ("mu", "sigma"))
            about = parse_json(str(content["about"]), f"'about' in {path}", mend=MEND) if "about" in content else {}
    # An empty file is an EOFError, and a lone array is no context: a TypeError. One may claim any size.
    except (OSError, EOFError, TypeError, ValueError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} holds no statistics (mu and sigma), or is damaged: write it with --save-stats"
        ) from error
    size = len(mean) if mean.ndim == 1 else 0
    if not size or tuple(covariance.shape) != (size, size):
        raise DataError(f"{path} is damaged: its mean and covariance do not fit each other; write it with --save-stats")
    for key, kind in (("count", int), ("extractor", dict), ("fingerprint", str)):
        if not isinstance(about.get(key), kind | None):
            raise DataError(f"{path} is damaged (its '{key}' is {about[key]!r:.60}): {MEND}")
    return StatisticsFile(
        path, Statistics(mean, covariance, about.get("count")), about.get("extractor"), about.get("fingerprint")
    )
