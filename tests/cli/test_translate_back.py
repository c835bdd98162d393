"""`sketchkit translate --back`: a picture of the targets' kind is prepared as a target, and comes out as a source."""

import numpy as np
import pytest
import torch

from sketchkit.cli import main
from sketchkit.data.image_io import read_image, write_image
from sketchkit.inference import TrainedTranslator
from sketchkit.registry import DATASETS
from tests.small_runs import small_run

pytestmark = pytest.mark.slow  # whole runs

CENTERED = "+translator.data_preprocessor=dict(type='TranslationPreprocessor',normalization='centered')"


def pipelines(*steps):
    """Overrides that put the steps before the resize of both pipelines."""
    resize = dict(type="Resize", size=[32, 32])
    return [f"{part}_dataloader.dataset.pipeline={[*steps, resize]}" for part in ("train", "val")]


def only(*keys):
    return dict(type="Only", keys=list(keys), transform=dict(type="Grayscale"))


ONE_CHANNEL = ["+backbone.in_channels=1", "generator_losses.identity=None"]
RUNS = {
    "each kind has its own range": [CENTERED],
    "the sources are inverted": pipelines(dict(type="InvertSketch")),
    "the sources are grey": [
        *pipelines(only("source")),
        *ONE_CHANNEL,
        "+translator.reverse={'heads': {'discriminator': {'image_channels': 1}}}",
    ],
    "both are grey": [
        *pipelines(only("source", "target")), "+backbone.in_channels=1", "+backbone.out_channels=1",
        "+heads.discriminator.image_channels=1",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", list(RUNS))
def test_both_ways_are_those_of_the_runs_own_validation(name, tmp_path):
    run = small_run("cycle", tmp_path, *RUNS[name])
    translator = TrainedTranslator(run, "cpu")
    dataset = DATASETS.build(translator.config["val_dataloader"]["dataset"])
    sample = {name: [value] if isinstance(value, str) else value[None] for name, value in dataset[0].items()}
    shown = translator.model.val_step(sample)[0]
    for kind, file, result, words in (
        ("source", dataset.sources[0], "fake", []),
        ("target", dataset.targets[0], "fake_A", ["--direction", "BtoA"]),
    ):
        write_image(tmp_path / f"{kind}.png", read_image(file))
        with pytest.raises(SystemExit) as end:
            main(["translate", str(run), str(tmp_path / f"{kind}.png"), "-o", str(tmp_path / "out.png"), *words,
                  "--overwrite", "--device", "cpu"])  # fmt: skip
        assert not end.value.code
        expected = shown[result][0].clamp(-1, 1).add(1).mul(127.5).round().byte().permute(1, 2, 0)
        assert np.array_equal(read_image(tmp_path / "out.png"), torch.as_tensor(expected).expand(-1, -1, 3).numpy())
