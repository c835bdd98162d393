"""What the projected discriminator says, and its gradient: python -m tests.parity.make_projected CHECKOUT.

Its frozen network has weights by name too, so that none has to be downloaded; its timm is older than ours.
"""

import numpy as np
import timm
import torch
from torch import nn

from tests.parity.networks import fill
from tests.parity.recipe import checkout, draw, summary, write

SIZE = 32


def without_weights(create):
    """timm's EfficientNet as it was: with its first activation as a layer of its own, not within the norm."""

    def created(name, pretrained):
        model = create(name)
        model.act1 = nn.Identity()
        return model

    return created


def directions(pairs, prefix):
    """Unit vectors by name, into what spectral norm keeps: (name, buffer) pairs."""
    with torch.no_grad():
        for name, buffer in pairs:
            drawn = torch.from_numpy(draw(f"{prefix}.{name}", tuple(buffer.shape)))
            buffer.copy_(drawn / drawn.norm())


def main():
    """Ask the original, in train mode but for spectral norm, whose iteration begins at the other end in newer torch."""
    _, about = checkout("autonomousvision/projected-gan")
    torch.set_default_dtype(torch.float64)
    timm.create_model = without_weights(timm.create_model)
    from pg_modules.discriminator import ProjectedDiscriminator

    shape = dict(cout=64, expand=True, proj_type=2, num_discs=4, separable=False, cond=0)
    head = ProjectedDiscriminator(diffaug=False, interp224=True, backbone_kwargs=shape).train()
    for module in head.discriminator.modules():
        module.train(isinstance(module, nn.BatchNorm2d))
    for module in head.feature_network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()  # which it has changed by looking at an empty picture while it was built
    mixing = list(head.feature_network.scratch.named_parameters())
    trained = list(head.discriminator.named_parameters())
    fill(head.feature_network.pretrained.named_parameters(), "projected.frozen")
    fill(mixing, "projected.mixing")
    fill(trained, "projected.trained")
    kept = [(name, one) for name, one in head.discriminator.named_buffers() if name.endswith(("_u", "_v"))]
    directions(kept, "projected.trained")
    picture = torch.from_numpy(draw("projected.picture", (2, 3, SIZE, SIZE), 0.5)).requires_grad_()
    logits = head(picture, None)
    (gradient,) = torch.autograd.grad((logits * torch.from_numpy(draw("projected.seen", logits.shape))).sum(), picture)
    names = {"mixing": mixing, "trained": trained, "directions": kept,
             "frozen": list(head.feature_network.pretrained.named_parameters())}  # fmt: skip
    values = {f"names/{kind}": np.array([name for name, _ in pairs]) for kind, pairs in names.items()}
    write("projected", about, {"logits": logits.detach().numpy(), "gradient": summary(gradient), **values})


if __name__ == "__main__":
    main()
