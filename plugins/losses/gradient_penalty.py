"""Penalties on the slope of the discriminator; the weight of the term is their lambda.

All of them look at the gradient of each picture's logits (summed over patches) to that picture. A head that mixes the
pictures of a batch, as batch norm does, has no such gradient: `needs_independent_samples` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sketchkit.registry import LOSSES, HeadOutput

from .options import choose, mean, single

Head = Callable[[Tensor], HeadOutput]


def image_gradient(head: Head, image: Tensor) -> Tensor:
    """The gradient of the sum of head(image)'s logits, mean over scales, to image (B, C, H, W), as (B, C*H*W).

    Computed in float32 at least, whatever autocast says, as squares of small gradients vanish in half precision.
    """
    is_training = torch.is_grad_enabled()
    with torch.enable_grad(), torch.autocast(image.device.type, enabled=False):
        image = single(image.detach()).requires_grad_()
        total = mean([scale.sum() for scale in head(image).scales])
        (gradient,) = torch.autograd.grad(total, image, create_graph=is_training)
    return gradient.flatten(1)


class SlopePenalty(nn.Module):
    """mean over pictures of (||g|| - center)^2, g the gradient at some point; one-sided: max(0, ||g|| - center)^2."""

    needs_independent_samples = True
    side = "discriminator"

    def __init__(self, center: float = 1.0, one_sided: bool = False) -> None:
        super().__init__()
        self.center, self.one_sided = center, one_sided

    def at(self, point: Tensor, head: Head) -> Tensor:
        """The penalty of head at point (B, C, H, W), a scalar."""
        # vector_norm has gradient 0 at 0, where a square root has NaN.
        excess = torch.linalg.vector_norm(image_gradient(head, point), dim=1) - self.center
        return (excess.relu() if self.one_sided else excess).square().mean()


def _interpolate(target: Tensor, scale: float) -> Tensor:
    spread = scale * target.std(correction=0) * torch.rand_like(target)
    return target + _per_picture(target) * spread


def _noise(target: Tensor, scale: float) -> Tensor:
    return target + scale**0.5 * torch.randn_like(target)


def _per_picture(image: Tensor) -> Tensor:
    return torch.rand(len(image), 1, 1, 1, dtype=image.dtype, device=image.device)


NEIGHBORS: Mapping[str, Callable[[Tensor, float], Tensor]] = {"interpolate": _interpolate, "noise": _noise}


@LOSSES.register_module()
class DRAGANPenalty(SlopePenalty):
    """The slope around real pictures x (Kodali et al., arXiv 1705.07215).

    perturbation 'interpolate' is the authors' code: x + a * scale * std(batch) * U[0, 1), a ~ U[0, 1) for each picture;
    'noise' is the later paper: x + N(0, scale * I). The papers' lambda is the weight of the term: 10.

    Raises:
        ConfigError: a perturbation that is not a choice.
    """

    def __init__(
        self, perturbation: str = "interpolate", scale: float = 0.5, center: float = 1.0, one_sided: bool = False
    ) -> None:
        super().__init__(center, one_sided)
        self.neighbor, self.scale = choose("perturbation", perturbation, NEIGHBORS), scale

    def forward(self, target: Tensor, head: Head) -> Tensor:
        """target (B, C, H, W), head: image -> HeadOutput; a scalar."""
        return self.at(self.neighbor(target, self.scale), head)


@LOSSES.register_module()
class GradientPenalty(SlopePenalty):
    """The slope at random points between real and fake pictures (WGAN-GP, Gulrajani et al. 2017; weight 10)."""

    def forward(self, target: Tensor, fake: Tensor, head: Head) -> Tensor:
        """target and fake (B, C, H, W), head: image -> HeadOutput; a scalar."""
        return self.at(torch.lerp(fake.to(target.dtype), target, _per_picture(target)), head)


@LOSSES.register_module()
class R1Penalty(nn.Module):
    """mean of ||g||^2 / 2 at real pictures (Mescheder et al., ICML 2018, eq. 9): the weight is the paper's gamma."""

    needs_independent_samples = True
    side = "discriminator"

    def forward(self, target: Tensor, head: Head) -> Tensor:
        """target (B, C, H, W), head: image -> HeadOutput; a scalar."""
        return image_gradient(head, target).square().sum(1).mean() / 2


@LOSSES.register_module()
class R2Penalty(nn.Module):
    """mean of ||g||^2 / 2 at fake pictures (Mescheder et al., ICML 2018, eq. 10): the weight is the paper's gamma.

    R3GAN (Huang et al., NeurIPS 2024) takes it beside `R1Penalty`, both of the same weight.
    """

    needs_independent_samples = True
    side = "discriminator"

    def forward(self, fake: Tensor, fake_head: Head) -> Tensor:
        """fake (B, C, H, W), fake_head: image -> HeadOutput, as it judges the fakes; a scalar."""
        return image_gradient(fake_head, fake).square().sum(1).mean() / 2
