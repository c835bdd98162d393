"""A target under the marks that are drawn over it, and that it takes colours of."""

from __future__ import annotations

import cv2
import numpy as np

from sketchkit.data.transforms.hint_regions import REACH, Regions

_PLACES = 3  # of which a mark takes the one in the smallest area: else most would lie on the ground
# An area is meant by a mark that has this share of itself on it, or covers this share of the area.
_MEANT, _COVERED = 0.3, 0.5

Window = tuple[slice, slice]


class Page:
    """A target (H, W, 3) uint8, and the marks that are drawn over it one by one.

    An area has one colour: that of the first mark in it, which those after it take.

    Args:
        target: the true picture.
        blur: the side in pixels of the boxes over which colours are averaged before they are taken.
        random: what is drawn from.
    """

    def __init__(self, target: np.ndarray, blur: int, random: np.random.Generator) -> None:
        self._target, self._random, self._regions = target, random, Regions(target)
        self._colors = cv2.blur(target, (blur // 2 * 2 + 1,) * 2) if blur > 1 else target
        self._drawn = np.zeros((*target.shape[:2], 4), np.float32)  # colour times share, and share
        self._kept: set[int] = set()  # the areas that stay as they are
        self._wishes: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # area -> its colour, and the one it takes

    def draw(self, mark: np.ndarray, is_wish: bool, white: int) -> None:
        """Draw a mark (n, n), shares in [0, 1], somewhere: in the target's colour, or in any, as far as that is free.

        A colour of the target of which R, G and B all reach `white` is left out.
        """
        window, share = self._laid(mark, *self._place())
        labels = self._regions.labels[window]
        number = self._area_of(labels, share)
        if number in self._wishes:
            color = self._wishes[number][1]
            self._wish(color, labels, share, window)
        elif is_wish and number and number not in self._kept:
            color = self._random.random(3) * 255
            self._wish(color, labels, share, window)
        else:
            # Not of the lines that the mark crosses, which stay.
            color = _mean(self._colors[window], share * (labels == number) if number else share)
            share = share * _reached(labels, number) if number else share
            if color.min() >= white:
                return
            self._kept.update({*np.unique(labels[share > 0]).tolist()} - {0})
        self._lay(window, share, color)

    def hint(self) -> np.ndarray:
        """The marks as (H, W, 4) uint8, straight RGBA."""
        hint = np.zeros((self._drawn[..., 0].size, 4), np.uint8)
        is_seen = np.flatnonzero(self._drawn[..., 3] > 0.5 / 255)
        drawn = self._drawn.reshape(-1, 4)[is_seen]
        drawn[:, :3] /= drawn[:, 3:]
        drawn[:, 3] *= 255
        hint[is_seen] = drawn.round()
        return hint.reshape(self._drawn.shape)

    def truth(self) -> np.ndarray | None:
        """The target as the marks have it, (H, W, 3) uint8; None where none changes it."""
        return self._regions.repainted(self._target, self._wishes) if self._wishes else None

    def _place(self) -> tuple[int, int]:
        height, width = self._target.shape[:2]
        places = [(int(row * height), int(column * width)) for row, column in self._random.random((_PLACES, 2))]
        sizes = [self._regions.sizes[self._regions.labels[place]] or np.inf for place in places]
        return places[int(np.argmin(sizes))]

    def _laid(self, mark: np.ndarray, row: int, column: int) -> tuple[Window, np.ndarray]:
        """Where a mark lies when some place of it is at that pixel, and the part of it that is in the picture."""
        height, width = self._target.shape[:2]
        inked = np.flatnonzero(mark >= mark.max() / 2)
        down, right = divmod(int(inked[self._random.integers(len(inked))]), len(mark))
        top, left = row - down, column - right
        window = slice(max(top, 0), top + len(mark)), slice(max(left, 0), left + len(mark))
        return window, mark[max(-top, 0) : height - top, max(-left, 0) : width - left]

    def _area_of(self, labels: np.ndarray, share: np.ndarray) -> int:
        """The area that a mark is about: the one under half of it or more; 0 where there is none."""
        covered = np.bincount(labels.ravel(), share.ravel())
        number = int(covered.argmax())
        return number if covered[number] * 2 >= share.sum() else 0

    def _wish(self, color: np.ndarray, labels: np.ndarray, share: np.ndarray, window: Window) -> None:
        """Give a colour to all areas that are meant by a mark and still free."""
        covered = np.bincount(labels.ravel(), share.ravel())
        meant = covered >= np.minimum(_MEANT * share.sum(), _COVERED * self._regions.sizes[: len(covered)])
        for one in {*np.flatnonzero(meant & (covered > 0)).tolist()} - {0} - self._kept - self._wishes.keys():
            self._wishes[one] = (_mean(self._target[window], share * (labels == one)), color)

    def _lay(self, window: Window, share: np.ndarray, color: np.ndarray) -> None:
        """Colour, but where an area has got another one."""
        labels = self._regions.labels[window]
        mine = {number for number, (_, wish) in self._wishes.items() if wish is color}
        for number in self._wishes.keys() - mine | (self._kept if mine else set()):
            share = share * (labels != number)
        here = self._drawn[window]
        here *= 1 - share[..., None]
        here += share[..., None] * np.array([*color, 1], np.float32)


def _reached(labels: np.ndarray, number: int) -> np.ndarray:
    """An area with the soft border of the lines around it."""
    inside = labels == number
    return inside | ((labels == 0) & (cv2.dilate(inside.view(np.uint8), REACH) > 0))


def _mean(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The mean color (3,) of (H, W, 3), each pixel counted by its share (H, W)."""
    return np.tensordot(share, picture, 2) / share.sum()
