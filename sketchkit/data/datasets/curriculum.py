"""SketchyGAN's curriculum: edge maps of many photos at first, more and more real sketches later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from sketchkit.data.datasets.edge_maps import LINES, EdgeMapDataset
from sketchkit.data.datasets.folders import refuse_empty
from sketchkit.data.datasets.sketchy import SketchyDataset
from sketchkit.data.randomness import seeded
from sketchkit.data.transforms.build import Transform
from sketchkit.declared import Share, Side
from sketchkit.registry import DATASETS


@DATASETS.register_module()
class SketchyCurriculum(SketchyDataset):
    """Sketches and, in their place as often as `share` says, photos with maps of their edges (SketchyGAN, section 3.1).

    A training draws a real sketch with a chance that goes from one share to the other, linearly over the run; where the
    run is says the number of the draw alone, so that a resumed run goes on as it would have. An epoch is that of the
    sketches. By its index alone a sample is the real sketch.

    Args:
        photo_root: photos in folders called as the classes, see `EdgeMapDataset`; None: real sketches alone.
        share: the chance of a real sketch at the beginning and at the end of a training.
        discriminator_share: the chance of a real sketch's photo among the true pictures that the discriminators see,
            which are then drawn for themselves, as `real`; None: they see the generator's.
        photo_size, lines: as `EdgeMapDataset` has them.
        **options: those of `SketchyDataset`.

    Raises:
        DataError: as `SketchyDataset` and `EdgeMapDataset`.
        ConfigError: an option's value is not one of those known.
    """

    def __init__(
        self,
        photo_root: str | Path | None = None,
        share: tuple[Share, Share] = (0.2, 0.8),
        discriminator_share: Share | None = 0.1,
        photo_size: Side | None = 256,
        lines: Sequence[Mapping[str, Any] | Transform] = LINES,
        **options: Any,
    ) -> None:
        refuse_empty(photo_root=photo_root)
        super().__init__(**options)
        self.share, self.discriminator_share = share, discriminator_share
        self.photos: EdgeMapDataset | None = None
        if photo_root is not None:
            alike = {name: options[name] for name in ("pipeline", "seed", "max_unreadable") if name in options}
            self.photos = EdgeMapDataset(photo_root, self.classes, photo_size, lines, **alike)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """The sample at (index, draw), or a photo in its place.

        Returns:
            As `FileDataset`; and where there are photos and a `discriminator_share`, `real`: a whole sample more, of
            which discriminators see the target.
        """
        if self.photos is None or not isinstance(index, tuple):
            return super().__getitem__(index)
        place, draw = index
        with seeded(self.seed, "curriculum", draw):
            chance, other_chance, *where = torch.rand(5).tolist()
        sample = self._draw(self.photos, chance < self.share_at(draw), (place, int(where[0] * len(self.photos))), draw)
        if self.discriminator_share is None:
            return sample
        places = int(where[1] * len(self)), int(where[2] * len(self.photos))
        # Draws of the training are numbered from 0 on: this one shares its random numbers with none of them.
        return {**sample, "real": self._draw(self.photos, other_chance < self.discriminator_share, places, -1 - draw)}

    def share_at(self, draw: int) -> float:
        """The chance of a real sketch in a draw; at the beginning where no training has said how long it is."""
        first, last = self.share
        return first + (last - first) * min(draw / self.total_draws, 1.0) if self.total_draws else first

    def _draw(self, photos: EdgeMapDataset, is_sketch: bool, places: tuple[int, int], draw: int) -> dict[str, Any]:
        return super().__getitem__((places[0], draw)) if is_sketch else photos[places[1], draw]

    def files(self) -> list[Path]:
        """Those of the photos too."""
        return super().files() + (self.photos.files() if self.photos else [])

    def unreadable(self) -> list[Path]:
        """Those among the photos too."""
        return super().unreadable() + (self.photos.unreadable() if self.photos else [])

    def fingerprint(self) -> str:
        """Of both folders."""
        own = super().fingerprint()
        return sha256((own + self.photos.fingerprint()).encode()).hexdigest() if self.photos else own

    def record(self) -> dict[str, Any]:
        """How many photos there are."""
        return {"photos": len(self.photos), "photo_root": str(self.photos.root)} if self.photos else {}
