"""Each finding, made to happen in a run."""

import json

import pytest
import torch

from sketchkit.engine.checkpoints import is_finite, read_checkpoint
from sketchkit.engine.hooks import WatchdogHook
from sketchkit.engine.hooks.watchdog import CAUSES, examine
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError, TrainingStopped
from sketchkit.translators import ConditionalTranslator

LOOK = ["default_hooks.watchdog.interval=1", "default_hooks.watchdog.begin=1", "default_hooks.watchdog.patience=2"]
NAN = "+generator_losses.bad=dict(type='FailsOnce')"
FAULTS = {
    "non_finite": [NAN],
    "black": ["backbone={'type': 'TinyBackbone', 'offset': -20.0}"],
    "constant": ["backbone={'type': 'TinyBackbone', 'gain': 0.0}"],
    "saturated": ["backbone={'type': 'TinyBackbone', 'gain': 1e5}"],
    "discriminator_zero": [
        "backbone={'type': 'TinyBackbone', 'offset': -20.0}",
        "heads={'discriminator': {'type': 'TinyHead', 'sure': True}}",
    ],
}
OTHERS = {"discriminator_zero": dict(black="ignore")}


@pytest.fixture
def run(tiny_config, tmp_path):
    def run(finding, action, *more):
        actions = {finding: action, **OTHERS.get(finding, {})}
        words = [*LOOK, *FAULTS[finding], f"default_hooks.watchdog.actions={actions}", *more]
        return train(tiny_config(*words), tmp_path / "run")

    return run


@pytest.mark.parametrize("finding", list(FAULTS))
def test_it_stops_the_run_says_the_cause_and_keeps_the_evidence(run, finding, tmp_path):
    with pytest.raises(TrainingStopped, match=f"watchdog at iteration .*: {finding} ") as stopped:
        run(finding, "stop")
    assert CAUSES[finding] in str(stopped.value)
    (evidence,) = (tmp_path / "run" / "watchdog").iterdir()
    assert str(evidence) in str(stopped.value)
    report = json.loads((evidence / "report.json").read_text())
    assert report["finding"] == finding
    assert "G/total" in report["values"]
    assert torch.load(evidence / "batch.pt", weights_only=True)["fake"].shape == (4, 3, 16, 16)
    assert (evidence / "batch.png").stat().st_size > 100


@pytest.mark.parametrize("finding", ["black", "constant"])
def test_it_warns_and_goes_on(run, finding, capsys, tmp_path):
    run(finding, "warn")
    assert f"warning: watchdog at iteration 2: {finding}" in capsys.readouterr().out
    assert (tmp_path / "run" / "iter_6.pth").is_file()


def test_it_rolls_back_and_the_run_recovers(run, capsys, tmp_path):
    folder = run("non_finite", "roll_back")
    assert "rolled back to" in capsys.readouterr().out
    assert is_finite(read_checkpoint(folder / "iter_6.pth")["model"])
    assert [path.name for path in (folder / "watchdog").iterdir()] == ["iter_4_non_finite"]


def test_it_stops_where_there_is_nothing_to_roll_back_to(run):
    with pytest.raises(TrainingStopped, match=r"no checkpoint in .* to roll back to"):
        run("non_finite", "roll_back", "default_hooks.checkpoint.interval=6")


def test_it_stops_after_too_many_roll_backs(run):
    with pytest.raises(TrainingStopped, match="stopped after 0 roll-backs"):
        run("non_finite", "roll_back", "default_hooks.watchdog.max_roll_backs=0")


def test_weights_that_are_not_finite_are_never_saved_and_push_out_no_good_checkpoint(run):
    """Four refusals, where two checkpoints are kept."""
    folder = run("non_finite", "warn", "default_hooks.watchdog.interval=100", "train_cfg.max_iters=15")
    assert [path.name for path in folder.glob("iter_*.pth")] == ["iter_3.pth"]


def test_a_lasting_finding_is_said_and_kept_once(run, capsys, tmp_path):
    run("black", "warn", "train_cfg.max_iters=9")
    assert capsys.readouterr().out.count("warning: watchdog") == 1
    assert len(list((tmp_path / "run" / "watchdog").iterdir())) == 1


def test_curves_are_drawn_when_it_stops(run, tmp_path):
    with pytest.raises(TrainingStopped):
        run("black", "stop")
    assert (tmp_path / "run" / "curves.png").is_file()


def test_black_is_seen_under_the_centred_normalisation_too(run):
    centred = "translator.data_preprocessor=dict(type='TranslationPreprocessor', normalization='centered')"
    with pytest.raises(TrainingStopped, match=": black "):
        run("black", "stop", centred)


def test_the_game_may_have_any_name(run):
    renamed = ["discriminator_losses.gan=None", "+discriminator_losses.game=dict(type='AdversarialLoss')"]
    with pytest.raises(TrainingStopped, match=r"discriminator_zero \(D/game"):
        run("discriminator_zero", "stop", *renamed)


def test_a_healthy_run_is_left_alone(tiny_config, tmp_path):
    folder = train(tiny_config(*LOOK), tmp_path / "run")
    assert not (folder / "watchdog").exists()


def test_dark_white_and_flat_truths_are_no_fault():
    model = ConditionalTranslator(dict(type="TinyBackbone"), generator_losses=dict(pixel=dict(type="PixelLoss")))
    for value in (-1.0, 1.0, 0.3):
        flat = torch.full((2, 3, 8, 8), value)
        assert examine({}, flat, flat, model) == {}


def test_an_untrained_generator_has_time_and_one_look_does_not_count(run, tmp_path):
    run("constant", "stop", "default_hooks.watchdog.begin=100")
    assert not (tmp_path / "run" / "watchdog").exists()


def test_unknown_actions_and_findings_are_refused():
    with pytest.raises(ConfigError, match=r"watchdog\.actions: black='explode'"):
        WatchdogHook(actions=dict(black="explode"))
    with pytest.raises(ConfigError, match=r"watchdog\.actions: purple='stop'"):
        WatchdogHook(actions=dict(purple="stop"))
