"""Parts of a training step by themselves: accumulation, second gradients, image pools."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from sketchkit.registry import LOSSES
from tools.gpu.host_randomness import HostRandomness
from tools.gpu.steps import Row, Setting, verdict
from tools.gpu.systems import System, build, precision, system_config

SGD = tuple(f"optim_wrapper.{side}.optimizer=dict(type='SGD',lr=0.01)" for side in ("generator", "discriminator"))
# Parts of a batch equal the batch where nothing looks at its mates and nothing is drawn.
APART = ("backbone.norm=instance", "backbone.dropout=0", "heads.discriminator.norm=instance")


def compare_parts(setting: Setting) -> Iterator[Row]:
    """Accumulation against the whole batch, DRAGAN's gradient against the CPU's, and where image pools lie."""
    with precision("fp32"):
        yield verdict("two parts of a batch against the batch", _accumulation_error(setting), 1e-5)
        yield verdict("DRAGAN's gradient to the head", _second_gradient_error(setting), 1e-3, "relative")
    yield from _pool_rows(setting)


def _accumulation_error(setting: Setting) -> float:
    """The largest difference of a weight after one step."""
    weights = []
    for parts in (1, 2):
        config = system_config("pix2pix_facades", setting, *APART, *SGD, f"translator.accumulate={parts}")
        system = build(config, setting.device)
        system.step()
        weights.append(torch.cat([weight.detach().flatten() for weight in system.model.parameters()]))
    return float((weights[0] - weights[1]).abs().max())


def _second_gradient_error(setting: Setting) -> float:
    """The distance of the gradients on the device and on the CPU, over the CPU's norm."""
    config = system_config("sketchygan_demo", setting)
    gradients = [_dragan_gradient(build(config, device)).cpu() for device in ("cpu", setting.device)]
    return float((gradients[1] - gradients[0]).norm() / gradients[0].norm())


def _dragan_gradient(system: System) -> torch.Tensor:
    head = system.model.heads["discriminator"]
    batch = system.model.data_preprocessor(system.batch)
    torch.manual_seed(1)
    with HostRandomness():
        penalty = LOSSES.build(dict(type="DRAGANPenalty"))
        penalty(batch["target"], lambda image: head(image, source=batch["source"], label=batch["label"])).backward()
    return torch.cat([weight.grad.flatten() for weight in head.parameters() if weight.grad is not None])


def _pool_rows(setting: Setting) -> Iterator[Row]:
    config = system_config("cyclegan_apple2orange", setting, "translator.pool_size=3")
    system, other = build(config, setting.device), build(config, setting.device)
    for _ in range(2):
        system.step()
    devices = {image.device.type for pool in system.model.pools.values() for image in pool.kept}
    yield {"what": "pools lie on the device", "passed": devices == {setting.device}}
    saved = system.model.local_state()
    other.model.load_local_state(saved)
    kept, again = ([image for pool in one.model.pools.values() for image in pool.kept] for one in (system, other))
    equal = all(torch.equal(*pair) for pair in zip(kept, again, strict=True))
    on_host = all(image.device.type == "cpu" for kept in saved["pools"].values() for image in kept)
    yield {"what": "pools survive a checkpoint, on the host there", "passed": equal and on_host}
