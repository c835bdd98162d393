"""Learning-rate schedules whose lengths are fractions of the run."""

import pytest

from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.schedules import count_iterations
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError

LINEAR = dict(type="LinearLR", by_epoch=False, start_factor=1.0, end_factor=0.0, begin=0.5, end=1.0)


def rates(folder):
    return {row["iter"]: row["lr/generator"] for row in read_scalars(folder / "scalars.jsonl") if "lr/generator" in row}


def test_fractions_are_of_the_whole_run_and_whole_numbers_stay():
    given = [
        LINEAR,
        dict(type="MultiStepLR", milestones=[0.5, 75, 1.0]),
        dict(type="CosineAnnealingLR", T_max=1.0, begin=0),
    ]
    linear, steps, cosine = count_iterations(given, 100)
    assert (linear["begin"], linear["end"]) == (50, 100)
    assert steps["milestones"] == [50, 75, 100]
    assert (cosine["T_max"], cosine["begin"]) == (100, 0)
    one_sided = count_iterations(dict(generator=[LINEAR], discriminator=LINEAR), 10)
    assert one_sided["generator"][0]["end"] == one_sided["discriminator"]["end"] == 10
    assert count_iterations(None, 10) is None
    with pytest.raises(ConfigError, match=r"param_scheduler\.end=1\.5"):
        count_iterations(dict(LINEAR, end=1.5), 10)


@pytest.mark.slow
def test_constant_for_half_the_run_then_linearly_to_zero(tiny_config, tmp_path):
    """lr (1 - max(0, i - n) / n) for 2 n iterations, as pix2pix and CycleGAN have it by epochs."""
    # mmengine's schedule of n iterations takes n - 1 steps: the first iteration of the second half has the full rate.
    config = tiny_config(f"param_scheduler=[{LINEAR}]", "train_cfg.max_iters=10")
    folder = train(config, tmp_path / "run")
    expected = {i: 1e-3 * (1 - max(0, i - 6) / 4) for i in range(1, 11)}
    assert rates(folder) == pytest.approx(expected, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (dict(type="StepLR", by_epoch=False, step_size=0.5, gamma=0.1), [1, 1, 1, 0.1, 0.1, 0.1]),
        (dict(type="MultiStepLR", by_epoch=False, milestones=[2, 4], gamma=0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
        (dict(type="CosineAnnealingLR", by_epoch=False, T_max=4), [1, 0.853553, 0.5, 0.146447, 0, 0.146447]),
    ],
)
def test_step_and_cosine(tiny_config, tmp_path, schedule, expected):
    folder = train(tiny_config(f"param_scheduler=[{schedule}]"), tmp_path / "run")
    assert list(rates(folder).values()) == pytest.approx([1e-3 * factor for factor in expected], abs=1e-8)


def test_a_schedule_that_this_run_is_too_short_for_is_one_line(tiny_config, tmp_path):
    short = dict(type="LinearLR", by_epoch=False, start_factor=0.1, begin=0, end=0.01)
    with pytest.raises(ConfigError, match=r"param_scheduler\.0, in a run of 6 iterations.*: end should be larger"):
        train(tiny_config(f"param_scheduler=[{short}]"), tmp_path / "run")
