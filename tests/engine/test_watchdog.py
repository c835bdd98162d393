"""Each finding, made to happen in a run."""

import json
from types import SimpleNamespace

import pytest
import torch
from sketchkit_plugins.translators.conditional import ConditionalTranslator
from sketchkit_plugins.translators.cycle import CycleTranslator

from sketchkit.config.load import load_config
from sketchkit.data.sample import write_sample
from sketchkit.engine.checkpoint_content import is_finite
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.hooks import WatchdogHook
from sketchkit.engine.hooks.watchdog import CAUSES, examine
from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.engine.train import train
from sketchkit.errors import ConfigError, TrainingStopped
from tests.conftest import ROOT, TINY, drawing_curves

pytestmark = pytest.mark.slow  # whole runs

SGD = {side: dict(optimizer=dict(type="SGD", lr=0.1)) for side in ("generator", "discriminator")}
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
    with pytest.raises(TrainingStopped), drawing_curves():
        run("black", "stop")
    assert (tmp_path / "run" / "curves.png").is_file()


def test_black_is_seen_under_the_centred_normalisation_too(run):
    centered = "translator.data_preprocessor=dict(type='TranslationPreprocessor', normalization='centered')"
    with pytest.raises(TrainingStopped, match=": black "):
        # Where no photo is black in any place, black is out of the network's reach.
        run("black", "stop", centered, "contrast=[3.0,3.0]")


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


def cycle(**more):
    """A cycle of tiny networks."""
    head = dict(type="PatchDiscriminator", num_layers=1, width=4, source_channels=0, norm=None)
    return CycleTranslator(
        dict(type="TinyBackbone"),
        dict(d=head),
        dict(cycle=dict(type="CycleConsistencyLoss")),
        dict(gan=dict(type="AdversarialLoss")),
        **more,
    )


def test_the_way_back_is_watched_too(monkeypatch):
    torch.manual_seed(0)
    model = cycle(reverse=dict(backbone=dict(offset=-20.0)))
    data = {key: torch.randint(0, 256, (2, 3, 16, 16)) for key in ("source", "target")}
    model.train_step(data, GroupOptimizers(SGD)(model))
    said = []
    hook = WatchdogHook(interval=1, begin=1, patience=1)
    monkeypatch.setattr(hook, "_act", lambda runner, finding, *_: said.append(finding))
    runner = SimpleNamespace(model=model, iter=0, max_iters=9)
    hook.after_train_iter(runner, 0, outputs={"D/gan": torch.tensor(1.0)})
    assert said == ["black"]
    picture = model.last_batch["source"]
    zero = {"D/gan": torch.tensor(1.0), "D/gan_BtoA": torch.tensor(1e-6)}
    assert examine(zero, picture, picture, model)["discriminator_zero"].startswith("D/gan_BtoA is 1.00e-06")


def test_a_roll_back_takes_the_image_pools_with_it(tmp_path):
    """What a broken generator has put there would break the discriminators again."""
    write_sample("unpaired", tmp_path / "data", photos_per_class=1, size=32)
    words = [
        f"data_root={tmp_path / 'data'}", "image_size=32", "num_workers=0", "backbone.width=4", "backbone.num_blocks=1",
        "heads.discriminator.width=4", "heads.discriminator.num_layers=2", "train_cfg.max_iters=6",
        "train_cfg.val_interval=6", "default_hooks.checkpoint.interval=3", "default_hooks.grids.interval=100",
        "+generator_losses.bad=dict(type='FailsOnce',at=8)", "default_hooks.watchdog.interval=5",
        "default_hooks.watchdog.actions={'non_finite': 'roll_back'}",
    ]  # fmt: skip
    folder = train(load_config(ROOT / "configs/cyclegan_apple2orange.py", words, [TINY]), tmp_path / "run")
    assert list((folder / "watchdog").iterdir())
    kept = {n: read_checkpoint(folder / f"iter_{n}.pth")["random_states"][0]["model"]["pools"] for n in (3, 6)}
    for way in ("AtoB", "BtoA"):
        # The fourth iteration broke the weights, the fifth made pictures with them, and both were taken back.
        assert [len(kept[n][way]) for n in (3, 6)] == [3, 4]
        assert all(image.isfinite().all() for image in kept[6][way])


def test_a_critic_at_zero_has_not_won():
    """A Wasserstein critic's loss is a distance: 0 is where it cannot tell true from fake."""
    head = dict(type="PatchDiscriminator", num_layers=1, width=4, norm=None)
    found = []
    for mode in ("wgan", "vanilla"):
        model = ConditionalTranslator(
            dict(type="TinyBackbone"),
            dict(d=head),
            generator_losses=dict(gan=dict(type="AdversarialLoss", mode=mode)),
            discriminator_losses=dict(gan=dict(type="AdversarialLoss", mode=mode)),
        )
        picture = torch.rand(1, 3, 8, 8)
        found.append(set(examine({"D/gan": torch.tensor(1e-6)}, picture, picture, model)))
    assert found == [set(), {"discriminator_zero"}]
