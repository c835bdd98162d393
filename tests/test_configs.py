"""Every config says its command, resolves, builds, and describes itself."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sketchkit.cli.info import command
from sketchkit.config.load import load_config
from sketchkit.config.parts import model_config
from sketchkit.options import check_options
from sketchkit.registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, METRICS, MODELS, TRANSFORMS
from tools.gpu.systems import system_config

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.py"))
PAINTED = [path for path in CONFIGS if path.stem.startswith("style_")]
TRAINED = [path for path in CONFIGS if path not in PAINTED]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_opens_with_the_command_that_runs_it(path):
    assert f"configs/{path.name}" in path.read_text().splitlines()[0]


@pytest.mark.parametrize("path", PAINTED, ids=lambda path: path.stem)
def test_a_config_of_style_transfer_builds(path):
    config = load_config(path)
    model = MODELS.build({**config.translator, "generator_losses": config.generator_losses, "weights": None})
    assert set(model.objective.weights) == {"content", "style", "tv"}


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.stem)
def test_a_config_builds(path, setting):
    config = system_config(path.stem, setting)
    model = MODELS.build(model_config(config))
    assert len(model.generator_objective) and len(model.discriminator_objective)
    for entries, cfg in [
        (DATASETS, config.train_dataloader.dataset),
        (DATASETS, config.val_dataloader.dataset),
        (METRICS, config.val_evaluator),
        *((HOOKS, hook) for hook in config.default_hooks.values() if hook),
        *((TRANSFORMS, step) for step in config.train_dataloader.dataset.pipeline),
    ]:
        options = dict(cfg)
        check_options(entries.get(options.pop("type")), options)
    assert LOOPS.get(config.train_cfg.type)
    assert DATA_SAMPLERS.get(config.train_dataloader.sampler.type)


def info(*arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("name", "backbone", "head"),
    [
        ("pix2pix_facades", 54_413_955, 2_768_705),
        ("autopainter_anime", 54_420_483, 3_813_569),
        # The released layers, 9 in out + 2 out where a norm follows, are 17,222,928 and 878,304; and the biases of the
        # first and last layers, which they do without.
        ("autopainter_official_anime", 17_222_928 + 3, 878_304 + 48 + 1),
        ("cyclegan_apple2orange", 11_378_179, 2_764_737),
        ("recolor_simple", 570_825, 140_129),
        ("recolor_normal", 2_327_558, 1_431_841),
        ("recolor_complex", 54_409_858, 2_765_633),
        ("recolor_wgan", 2_327_558, 1_431_841),
        # Counted by hand in tests/backbones and tests/heads; the report's 38.5 M is the batch-norm form.
        ("sketchygan_sketchy", 39_437_736, 10_034_636),
        ("sketchygan_official_sketchy", 22_235_107, 17_178_977),
    ],
)
def test_info_counts_parameters(name, backbone, head):
    found = json.loads(info(ROOT / f"configs/{name}.py", "--json"))
    assert found["backbone"]["parameters"] == backbone
    assert found["heads"]["discriminator"]["parameters"] == head


def test_info_shows_the_objective_and_the_batch_norm_form():
    found = json.loads(info(ROOT / "configs/sketchygan_sketchy.py", "--json", "--cfg-options", "backbone.norm=batch"))
    assert found["backbone"]["type"] == "MRUGenerator"
    assert found["backbone"]["parameters"] == 38_485_416
    # 7.08 GMAC a picture, counted layer by layer; a multiplication and an addition are two operations.
    assert found["backbone"]["flops"] == pytest.approx(2 * 7.08e9, rel=0.005)
    weights = {name: term["weight"] for name, term in found["generator_losses"].items()}
    assert weights == {"gan": 1.0, "classes": 1.0, "pixel": 1.0, "perceptual": 1.0, "diversity": 1.0}
    assert found["discriminator_losses"]["dragan"] == {"type": "DRAGANPenalty", "weight": 10.0, "every": 1}
    text = info(ROOT / "configs/sketchygan_sketchy.py", "--cfg-options", "discriminator_losses.classes.every=4")
    assert "39,437,736" in text and "10 dragan (DRAGANPenalty)" in text
    assert "1 classes (AuxiliaryClassificationLoss, every 4 steps)" in text


def test_info_takes_several_overrides():
    words = ["--json", "--cfg-options", "backbone.width=4", "categories=3", "heads.discriminator.width=4"]
    found = json.loads(info(ROOT / "configs/sketchygan_sketchy.py", *words))
    assert found["backbone"]["parameters"] < 1_000_000


def test_the_seeds_schedule_and_rates():
    config = load_config(ROOT / "configs/sketchygan_sketchy.py")
    assert config.optim_wrapper.discriminator.optimizer.lr == 2e-4
    assert config.optim_wrapper.generator.optimizer.lr == 1e-4
    assert (config.batch_size, config.image_size, config.categories) == (16, 64, 125)


@pytest.mark.parametrize("name", ["sketchygan_sketchy", "sketch2img_10classes_sketchy", "sketch2img_8channel_sketchy"])
def test_the_reports_networks_and_optimizers_are_pytorchs_defaults(name):
    """Its code builds nn.LeakyReLU() and optim.Adam(parameters, lr=...): slope and betas are PyTorch's own."""
    import torch
    from sketchkit_plugins.layers.activation import make_activation

    config = load_config(ROOT / f"configs/{name}.py")
    for network in (config.backbone, config.heads.discriminator):
        assert make_activation(network.activation).negative_slope == torch.nn.LeakyReLU().negative_slope == 0.01
    adam = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))]).defaults
    for side in ("generator", "discriminator"):
        assert tuple(config.optim_wrapper[side].optimizer.betas) == adam["betas"]


def test_what_is_no_published_system_leaves_no_checkerboard():
    for name in ("sketchygan_demo", "sketchygan_modern_sketchy"):
        assert load_config(ROOT / f"configs/{name}.py").backbone.upsampling == "resize"
    assert load_config(ROOT / "configs/autopainter_lineart.py").backbone.upsampling == "resize"


def test_the_official_preset_has_the_released_objective_and_batches():
    """graph_single.py with spectral norm: softplus, no gradient penalty; two towers of 16; Adam (0, 0.9)."""
    config = load_config(ROOT / "configs/sketchygan_official_sketchy.py")
    terms = {name: term for name, term in config.discriminator_losses.items() if term}
    assert {name: term["type"] for name, term in terms.items()} == {
        "gan": "AdversarialLoss", "classes": "AuxiliaryClassificationLoss",
    }  # fmt: skip
    assert (terms["gan"]["mode"], terms["classes"]["focal_gamma"]) == ("softplus", 2.0)
    weights = {name: term["weight"] for name, term in config.generator_losses.items()}
    assert weights == {"gan": 1.0, "classes": 0.5, "pixel": 10.0, "perceptual": 10 * 0.3, "diversity": 10.0}
    assert config.train_dataloader.batch_size / config.translator.accumulate == 16
    rates = {side: config.optim_wrapper[side].optimizer for side in ("generator", "discriminator")}
    assert {side: one.lr for side, one in rates.items()} == {"generator": 2e-4, "discriminator": 4e-4}
    assert all(tuple(one.betas) == (0.0, 0.9) and one.weight_decay == 1e-5 for one in rates.values())


def test_the_official_schedule_is_the_formula():
    """lr x max(0.2, 1 - 0.9 i / 300,000)."""
    import torch
    from mmengine.optim import LinearLR

    (cfg,) = load_config(ROOT / "configs/sketchygan_official_sketchy.py").param_scheduler
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = LinearLR(optimizer, **{key: value for key, value in cfg.items() if key != "type"})
    optimizer.step()
    for step in range(1, 270_001):
        scheduler.step()
        if step % 30_000 == 0:
            assert optimizer.param_groups[0]["lr"] == pytest.approx(max(0.2, 1 - 0.9 * step / 300_000), abs=1e-5)
