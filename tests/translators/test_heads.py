"""A head's `augment` and a head's hints: in every translator, in penalties, in checkpoints, in several processes."""

import re
import shutil

import pytest
import torch
from sketchkit_plugins.losses.gradient_penalty import R1Penalty, image_gradient
from sketchkit_plugins.translators.conditional import ConditionalTranslator
from torch import nn

from sketchkit import loading
from sketchkit.config.load import load_config
from sketchkit.engine.checkpoints import read_checkpoint
from sketchkit.engine.describe import describe
from sketchkit.engine.hooks.progress import read_scalars
from sketchkit.engine.optimizers import GroupOptimizers
from sketchkit.errors import ConfigError
from sketchkit.registry import AUGMENTATIONS, HEADS, HeadOutput
from sketchkit.testing import check_augmentation
from sketchkit.translators.heads import Augmentation, build_head
from tests.conftest import ROOT
from tests.engine.test_runs import assert_same_state
from tests.forks import succeeded, training_together
from tests.small_runs import small_run

PATCH = dict(type="PatchDiscriminator", num_layers=1, width=4, norm=None)
GAN = dict(gan=dict(type="AdversarialLoss"))
SGD = {side: dict(optimizer=dict(type="SGD", lr=0.1)) for side in ("generator", "discriminator")}
SURE = "dict(type='ADA',kimg=0.01,interval=2,target=-1.0)"  # p goes up, whatever the head says


@HEADS.register_module(force=True)
class Recorder(nn.Module):
    """Keeps what it has looked at."""

    hint_channels = 4

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.ones(1)), []

    def forward(self, image, source=None, label=None, hint=None):
        self.seen.append({"image": image, "source": source, "hint": hint, "label": label})
        return HeadOutput(self.weight * image.mean((1, 2, 3))[:, None])


@AUGMENTATIONS.register_module(force=True)
class Marked(Augmentation):
    """Adds 100 to all pictures, and remembers what it has observed."""

    observes = True

    def __init__(self):
        super().__init__()
        self.observed = []

    def augmented(self, pictures):
        return {name: picture + 100 for name, picture in pictures.items()}

    def observe(self, real_outputs):
        self.observed.append(real_outputs)
        return {"looks": torch.tensor(float(len(self.observed)))}


def translator(head, discriminator_losses=GAN, **more):
    torch.manual_seed(0)
    return ConditionalTranslator(
        dict(type="TinyBackbone", noise=False), dict(d=head), GAN, discriminator_losses, **more
    )


def batch(count=4, hint=False):
    generator = torch.Generator().manual_seed(1)
    source, target = torch.randint(0, 256, (2, count, 3, 16, 16), dtype=torch.uint8, generator=generator)
    more = {"hint": torch.full((count, 4, 16, 16), 255, dtype=torch.uint8)} if hint else {}
    return dict(source=source, target=target, key=[f"k{i}" for i in range(count)], **more)


def test_every_look_of_a_head_in_training_is_augmented_and_none_outside():
    penalty = dict(r1=dict(type="R1Penalty"))
    model = translator(dict(type="Recorder", augment=dict(type="Marked")), {**GAN, **penalty})
    model.train_step(batch(hint=True), GroupOptimizers(SGD)(model))
    head = model.heads["d"].head
    assert len(head.seen) == 4  # true, fake, the penalty's, and the generator's fake
    assert all(one[name].min() > 90 for one in head.seen for name in ("image", "source", "hint"))
    head.seen.clear()
    model.eval().judge("d", {"source": torch.zeros(1, 3, 8, 8)})(torch.zeros(1, 3, 8, 8))
    assert not head.seen[0]["image"].any()


def test_an_augmentation_hears_of_the_true_pictures_of_each_part_once_a_step():
    head = dict(type="Recorder", augment=dict(type="Marked"))
    # A penalty alone does not ask what the head says of true pictures.
    for terms, parts in ((GAN, 1), (GAN, 2), (dict(r1=dict(type="R1Penalty")), 1)):
        model = translator(head, terms, accumulate=parts)
        logs = model.train_step(batch(hint=True), GroupOptimizers(SGD)(model))
        (heard,) = model.heads["d"].augmentation.observed
        assert logs["D/d_looks"] == 1
        truth = batch()["target"].float().div(127.5).sub(1).mean((1, 2, 3))[:, None] + 100
        assert len(heard) == parts and torch.allclose(torch.cat([one.logits for one in heard]), truth, atol=1e-4)
        assert not any(one.logits.requires_grad for one in heard)


def test_a_head_without_augment_is_the_head():
    torch.manual_seed(0)
    plain = HEADS.build(PATCH)
    assert type(build_head(PATCH)) is type(plain) and type(build_head({**PATCH, "augment": None})) is type(plain)
    model = translator(PATCH)
    assert {name.removeprefix("heads.d.") for name in model.state_dict() if "heads" in name} == {*plain.state_dict()}


def test_batch_norm_behind_an_augmentation_is_refused_with_a_penalty():
    head = dict(PATCH, norm="batch", augment=dict(type="DiffAugment"))
    with pytest.raises(ConfigError, match=r"batch norm in heads\.d mixes them"):
        translator(head, dict(r1=dict(type="R1Penalty")))


@pytest.mark.parametrize("augment", [dict(type="DiffAugment"), dict(type="ADA", p=0.8)], ids=lambda one: one["type"])
def test_a_penalty_is_the_slope_to_the_picture_before_it_is_augmented(augment):
    """By finite differences with one draw; and the slope's own gradient reaches the head's weights."""
    torch.manual_seed(3)
    head = build_head({**PATCH, "activation": "smooth_relu", "init_gain": 0.5, "augment": augment}).double()
    image, source, way = (torch.rand(2, 3, 16, 16, dtype=torch.float64) * 2 - 1 for _ in range(3))

    def drawn(picture):
        torch.manual_seed(5)
        return head(picture, source=source)

    slope = (image_gradient(drawn, image) * way.flatten(1)).sum()
    step = 1e-4 * way
    ends = [drawn(image + sign * step).logits.sum() for sign in (1, -1)]
    assert slope.item() == pytest.approx(((ends[0] - ends[1]) / 2e-4).item(), rel=1e-4)
    R1Penalty()(image, drawn).backward()
    weight = head.head.blocks[0][0].weight
    found, at = weight.grad[0, 4, 1, 1].item(), (0, 4, 1, 1)
    values = []
    for change in (1e-5, -2e-5):
        weight.data[at] += change
        values.append(R1Penalty()(image, drawn).item())
    assert found == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-3)


def test_pictures_of_other_sizes_than_the_image_are_refused():
    head = build_head(dict(type="Recorder", augment=dict(type="Marked")))
    with pytest.raises(ConfigError, match=r"image \(8, 8\), source \(4, 4\)"):
        head(torch.zeros(1, 3, 8, 8), source=torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("type_", ["PatchDiscriminator", "MultiScaleDiscriminator"])
def test_a_head_that_takes_hints_is_given_them(type_):
    head = dict(PATCH, type=type_, hint_channels=4)
    model = translator(head)
    model.train_step(batch(hint=True), GroupOptimizers(SGD)(model))
    seen = model.data_preprocessor(batch(hint=True), training=True)
    silent = {**seen, "hint": torch.zeros_like(seen["hint"])}
    said = [model.judge("d", one)(seen["target"]).scales[0] for one in (seen, silent)]
    assert not torch.equal(*said)
    with pytest.raises(ConfigError, match=r"heads\.d\.hint_channels is not 0 and the data have no hints"):
        model.train_step(batch(), GroupOptimizers(SGD)(model))
    with pytest.raises(ConfigError, match="needs the hint"):
        HEADS.build(head)(seen["target"], source=seen["source"])
    with pytest.raises(ConfigError, match="has hint_channels=3, and the hints 4"):
        translator(dict(head, hint_channels=3)).train_step(batch(hint=True), GroupOptimizers(SGD)(model))


def test_the_documented_augmentation_holds_to_the_contract(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(), re.DOTALL)
    (tmp_path / "mirror.py").write_text(*(block for block in blocks if "AUGMENTATIONS" in block))
    loading.load_file(tmp_path / "mirror.py")
    check_augmentation(AUGMENTATIONS.build(dict(type="Mirror")))


def test_info_tells_of_it():
    changes = [
        "image_size=64",
        "backbone.num_downs=4",
        "backbone.width=4",
        "heads.discriminator.augment=dict(type='ADA')",
        "heads.discriminator.hint_channels=4",
    ]
    found = describe(load_config(ROOT / "configs/pix2pix_facades.py", changes))["heads"]["discriminator"]
    assert found["augment"] == "ADA" and found["type"] == "PatchDiscriminator"


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("heads.discriminator.augmnt=dict(type='ADA')", "heads.discriminator.augmnt': did you mean 'augment'"),
        ("+heads.discriminator.augmnt=1", "PatchDiscriminator has no option 'augmnt': did you mean"),
        ("heads.discriminator.augment=ADA", "heads.discriminator.augment='ADA': give dict(type=NAME, ...)"),
        ("heads.discriminator.augment=dict(type='AD')", "no augmentation is named 'AD': did you mean 'ADA'"),
        ("heads.discriminator.augment=dict(type='ADA',targt=1)", "ADA has no option 'targt': did you mean 'target'"),
        ("heads.discriminator.augment=dict(type='ADA',p=2)", "heads.discriminator.augment.p=2: give a finite number"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused(option, line):
    with pytest.raises(ConfigError) as caught:
        load_config(ROOT / "configs/pix2pix_facades.py", [option])
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pix2pix", "cycle", "cut"])
def test_runs_of_every_translator_resume_bit_for_bit(kind, tmp_path):
    more = [f"heads.discriminator.augment={SURE}", "train_cfg.max_iters=3", "default_hooks.checkpoint.interval=1",
            "default_hooks.checkpoint.max_keep_ckpts=3", "default_hooks.logger.interval=1"]  # fmt: skip
    folder = small_run(kind, tmp_path, *more)
    rows = [row for row in read_scalars(folder / "scalars.jsonl") if "G/total" in row]
    moved = [row["D/discriminator_p"] for row in rows]
    assert moved == pytest.approx([0, 2 * 2 / 10, 2 * 2 / 10])
    whole = read_checkpoint(folder / "iter_3.pth")["model"]
    for name in ("iter_2.pth", "iter_3.pth"):
        (folder / name).unlink()
    torch.manual_seed(7)
    small_run(kind, tmp_path, *more, resume=True)
    assert_same_state(whole, read_checkpoint(folder / "iter_3.pth")["model"])


@pytest.mark.slow
def test_two_processes_have_one_probability(tmp_path):
    """Which is that of all pictures: each has two, and p moves by four."""
    small_run("pix2pix", tmp_path, "train_cfg.max_iters=1")
    config = tmp_path / "run" / "config.json"
    shutil.copy(config, tmp_path / "config.json")
    augment = "heads.discriminator.augment=" + SURE.replace("interval=2", "interval=1").replace("0.01", "0.1")
    words = [tmp_path / "config.json", "--trust-code", "--work-dir", tmp_path / "two", "--cfg-options", augment,
             "train_cfg.max_iters=3", "default_hooks.checkpoint.interval=3"]  # fmt: skip
    for fork in training_together(2, *words):
        succeeded(fork)
    state = read_checkpoint(tmp_path / "two" / "iter_3.pth")["model"]
    assert state["heads.discriminator.augmentation.p"] == pytest.approx(3 * 4 / 100)
