"""The classes of a sample set, by the names and WordNet numbers they have in the Sketchy Database."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sketchkit.data.sample import nature, things
from sketchkit.data.sample.figure import Figure


class Kind(NamedTuple):
    """A class: its folder, its WordNet number, how it is drawn, and how far it may be turned, in degrees."""

    name: str
    synset: str
    draw: Callable[[np.random.Generator], Figure]
    turn: float


KINDS = (
    Kind("apple", "n07739125", nature.apple, 15),
    Kind("banana", "n07753592", nature.banana, 180),
    Kind("cabin", "n02932400", things.cabin, 2),
    Kind("car_(sedan)", "n02958343", things.car, 5),
    Kind("cup", "n03063073", things.cup, 4),
    Kind("fish", "n01440764", nature.fish, 30),
    Kind("flower", "n11669921", nature.flower, 12),
    Kind("mushroom", "n12997919", nature.mushroom, 15),
    Kind("pear", "n07767847", nature.pear, 20),
    Kind("sailboat", "n04128499", things.sailboat, 6),
    Kind("starfish", "n02317335", nature.starfish, 180),
    Kind("tree", "n11608250", nature.tree, 3),
    Kind("umbrella", "n04507155", things.umbrella, 25),
)
