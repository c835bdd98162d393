"""Our side of a comparison: a shipped config made narrow, its optimizers, and the check itself."""

import numpy as np
import torch

from sketchkit.config.load import load_config
from sketchkit.config.parts import model_config
from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.registry import MODELS, HeadOutput
from tests.conftest import ROOT
from tests.parity.networks import fill, moved
from tests.parity.recipe import far, summary

# Measured in float64: 1e-15 for a pass of a network, 4e-13 for a weight's way after some steps; also without the
# processor's own instructions (ATEN_CPU_CAPABILITY=default), so that another order of adding up is within.
PASS, TRAINED = 1e-13, 1e-11
STILL = 1e-7  # a step of Adam is 2e-4
ZERO = 1e-12  # of gradients


def system(name, *overrides):
    """The translator of a shipped config and its optimizers."""
    config = load_config(ROOT / "configs" / f"{name}.py", overrides)
    model = MODELS.build(model_config(config))
    return model, GroupOptimizers(config.optim_wrapper)(model)


def batch(source, target):
    """Integer pictures as a data set hands them out."""
    names = [str(number) for number in range(len(source))]
    return {"source": torch.from_numpy(source), "target": torch.from_numpy(target), "key": names, "target_key": names}


def output(logits, class_logits=None):
    """What a head would give."""
    return HeadOutput(logits, class_logits)


def pairs(names, network):
    """(the original's name, our parameter), where both networks have their parameters in the same order."""
    ours = [parameter for _, parameter in network.named_parameters()]
    return list(zip(names.tolist(), ours, strict=True))


def close(found, kept, within):
    """No further from what the original gave than a share of its greatest value."""
    distance = far(found, kept)
    print(f"{distance:.1e}")
    assert distance <= within


def filled(kept, prefix, place, sides):
    """name -> pairs of a network whose weights have been filled as the original's of that name."""
    named = {name: pairs(kept[f"{place}/{name}/names"], network) for name, network in sides.items()}
    for name, one in named.items():
        fill(one, f"{prefix}.{name}")
    return named


def all_close(found, kept, within, still):
    """Each array is where the original's is, by its summary; numbers below `still` are rounding, whatever they are."""
    distances = {}
    for name, array in found.items():
        one, goal = summary(array), kept[name]
        is_still = max(np.abs(one).max(), np.abs(goal).max()) < still
        distances[name] = 0.0 if is_still else far(one, goal)
    worst = max(distances, key=distances.get)
    print(f"{distances[worst]:.1e} {worst}")
    assert distances[worst] <= within, f"{worst}: {distances[worst]:.1e}"


def below(kept, place):
    """What is kept below a key."""
    return {key.removeprefix(f"{place}/"): value for key, value in kept.items() if key.startswith(f"{place}/")}


def same_moves(kept, prefix, place, named, within):
    """Every weight of `filled` has gone as far as the original's, and to the same place.

    A bias before a norm has no gradient: rounding drives it, far below a step, whichever way.
    """
    for side, one in named.items():
        all_close(moved(one, f"{prefix}.{side}"), below(kept, f"{place}/{side}"), within, STILL)
