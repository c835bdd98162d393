"""What LeCam's term is over some steps, and its gradient: python -m tests.parity.make_lecam CHECKOUT."""

import numpy as np
import torch

from tests.parity.recipe import checkout, draw, summary, write

STEPS, DECAY = 5, 0.9


def looks():
    """True and fake logits of each step, the latter a little lower."""
    return [[torch.from_numpy(draw(f"lecam.{kind}.{step}", (8, 1), mean=mean))
             for kind, mean in (("real", 0.3), ("fake", -0.3))] for step in range(STEPS)]  # fmt: skip


class Averages:
    """The averages of step after step without the bias of a beginning at 0: what TensorFlow's are in the other code."""

    def __init__(self):
        self.sums, self.step = {}, 0

    def update(self, value, name, step):
        """As the original calls its own, once a step and name."""
        self.sums[name] = DECAY * self.sums.get(name, 0.0) + (1 - DECAY) * value
        setattr(self, name, self.sums[name] / (1 - DECAY ** (step + 1)))


def main():
    """Ask the original: the hinge loss tells the averages, then the term compares with them."""
    folder, about = checkout("google/lecam-gan")
    import sys

    sys.path.insert(0, str(folder / "biggan_cifar"))
    torch.set_default_dtype(torch.float64)
    import losses

    averages, values, gradients = Averages(), [], []
    for step, (real, fake) in enumerate(looks()):
        real.requires_grad_()
        losses.loss_hinge_dis(fake, real, averages, step)
        term = losses.lecam_reg(real, fake, averages)
        term.backward()
        values.append(term.item())
        gradients.append(real.grad.numpy())
    write("lecam", about, {"terms": np.array(values), "gradient": summary(gradients)})


if __name__ == "__main__":
    main()
