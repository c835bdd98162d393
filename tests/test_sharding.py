"""A translation starts without what only trainings need, and a training after it has it all the same."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
from sketchkit.inference import TrainedTranslator
from sketchkit.sharding import bring_back

TrainedTranslator(sys.argv[1], "cpu")(np.full((40, 50, 3), 255, np.uint8), size=16)
HEAVY = ("torch._dynamo", "torch.distributed.fsdp", "torchvision", "kornia", "timm", "matplotlib", "sympy")
assert not [name for name in HEAVY if name in sys.modules], [name for name in HEAVY if name in sys.modules]

import mmengine.model
from mmengine.registry import MODEL_WRAPPERS, OPTIMIZERS

bring_back()
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.optim import ZeroRedundancyOptimizer

assert issubclass(OPTIMIZERS.module_dict["ZeroRedundancyOptimizer"], ZeroRedundancyOptimizer)
assert issubclass(MODEL_WRAPPERS.module_dict["MMFullyShardedDataParallel"], FullyShardedDataParallel)
assert mmengine.optim.ZeroRedundancyOptimizer is OPTIMIZERS.module_dict["ZeroRedundancyOptimizer"]
assert issubclass(mmengine.model.MMFullyShardedDataParallel, FullyShardedDataParallel)
bring_back()
"""


@pytest.mark.slow  # a whole run, and an interpreter of its own
def test_a_translation_imports_nothing_heavy_and_a_training_has_it_back(runs):
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(runs("pix2pix"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
