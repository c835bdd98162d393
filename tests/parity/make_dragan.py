"""What DRAGAN's penalty is: VENV/bin/python -m tests.parity.make_dragan CHECKOUT; VENV: see tensorflow1.py."""

import numpy as np

from tests.parity import notebook
from tests.parity.recipe import checkout, draw, stream, summary, write

CELL, BATCH, PIXELS, WIDTH = 1, 4, 784, 128
NAMES = (
    "get_perturbed_batch", "discriminator", "X", "X_p", "D_W1", "D_b1", "D_W2", "D_b2", "alpha", "differences",
    "interpolates", "gradients", "slopes", "gradient_penalty",
)  # fmt: skip
SHAPES = {"D_W1": (PIXELS, WIDTH), "D_b1": (WIDTH,), "D_W2": (WIDTH, 1), "D_b2": (1,)}


def weights():
    """The discriminator's, by the original's names."""
    return {name: draw(f"dragan.{name}", shape, max(shape) ** -0.5) for name, shape in SHAPES.items()}


def throws():
    """Its random numbers: one for each pixel, one for each picture."""
    return stream("dragan.spread").random_sample((BATCH, PIXELS)), stream("dragan.alpha").random_sample((BATCH, 1))


def minibatch():
    """Pictures as rows."""
    return draw("dragan.picture", (BATCH, PIXELS), 0.3, 0.5)


def main():
    """Ask the original."""
    folder, about = checkout("kodalinaveen3/DRAGAN")
    from tests.parity import tensorflow1

    tf = tensorflow1.install()
    spread, alpha = throws()
    tf.random_uniform = lambda **_: tf.constant(alpha)
    np.random.random = lambda shape: spread
    tf.zeros = lambda shape: np.zeros(shape)  # in float64
    given = {"tf": tf, "np": np, "mb_size": BATCH, "X_dim": PIXELS, "h_dim": WIDTH, "xavier_init": tf.zeros}
    made = notebook.run(folder / "DRAGAN.ipynb", CELL, NAMES, given)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    tensorflow1.assign(session, {made[name]: value for name, value in weights().items()})
    variables = [made[name] for name in SHAPES]
    fed = {made["X"]: minibatch(), made["X_p"]: made["get_perturbed_batch"](minibatch())}
    gradients = tf.gradients(made["gradient_penalty"], variables[:3:2])
    penalty, *found = session.run([made["gradient_penalty"], *gradients], fed)
    values = {f"gradient/{name}": summary(one) for name, one in zip(("D_W1", "D_W2"), found, strict=True)}
    write("dragan", about, {"penalty": np.array(penalty), **values})


if __name__ == "__main__":
    main()
