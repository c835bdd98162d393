"""What SketchyGAN's networks, losses and steps do: VENV/bin/python -m tests.parity.make_sketchygan CHECKOUT.

VENV: see tensorflow1.py. The perceptual term counts nothing here: Inception-v4's weights are not at hand.
"""

import sys
from types import SimpleNamespace

import numpy as np

from tests.parity.recipe import checkout, draw, pictures, summary, symmetric, write

WIDTH, CLASSES, BATCH, SIZE, STEPS = 4, 5, 3, 64, 3
LABELS = [3, 0, 3]
RATES = {"generator": 2e-4, "discriminator": 4e-4}
ENDPOINTS = ("Conv2d_2a_3x3", "Mixed_4a", "Mixed_5b")
TERMS = ("GAN_loss_g", "GAN_loss_d", "ACGAN_loss_g", "ACGAN_loss_d", "direct_loss", "diversity_loss")
DECAY = ("weight_decay_loss_g", "weight_decay_loss_d")


def batch(step):
    """What is fed: the photo, the sketch in eighths of bits (which averages keep exactly), and all random numbers."""
    shape = (BATCH, 3, SIZE, SIZE)
    throws = np.random.RandomState(step)
    return {
        "photo": symmetric(pictures(f"sketchygan.photo.{step}", *shape)),
        "sketch": pictures(f"sketchygan.sketch.{step}", *shape) / 128 - 1,
        "noise": draw(f"sketchygan.noise.{step}", (BATCH, 256)),
        "noise_alt": draw(f"sketchygan.noise_alt.{step}", (BATCH, 256)),
        "alpha": throws.random_sample((BATCH, 1, 1, 1)),
        "spread": throws.random_sample(shape),
    }


def value(name, shape):
    """Scales near 1, slopes near 0.2, small biases, and kernels that keep the size of what they see.

    The discriminator's are larger: its slopes come to lie on both sides of 1, where the one-sided penalty begins.
    """
    kind, seed = name.rsplit("/", 1)[-1], f"sketchygan.{name}"
    if kind in ("biases", "offset"):
        return draw(seed, shape, 0.1)
    if kind in ("scale", "param"):
        return draw(seed, shape, 0.1, 1.0) * (0.2 if kind == "param" else 1)
    return draw(seed, shape, np.prod(shape[:-1]) ** -0.5) * (1.35 if name.startswith("discriminator") else 1)


def prepare(folder):
    """TensorFlow 1, and what the original's graph imports and cannot have here."""
    from tests.parity import tensorflow1

    tf = tensorflow1.install()
    tensorflow1.stub("input_pipeline", get_num_classes=lambda: CLASSES, split_inputs=lambda one, *_: [one])
    tensorflow1.stub(
        "inception_v4",
        inception_v4=None,
        inception_v4_base=lambda *_, **__: (None, {name: tf.zeros([1], tf.float64) for name in ENDPOINTS}),
        inception_v4_arg_scope=lambda **_: {},
    )
    sys.path.insert(0, str(folder / "src_single"))
    import graph_single

    graph_single.models.SIZE = WIDTH
    return tf, tensorflow1, graph_single


def graph(tf, original):
    """The original's training graph: what is fed, and its optimizers."""
    fed = {name: tf.placeholder(tf.float64, value.shape) for name, value in batch(0).items()}
    noises = iter([fed["noise"], fed["noise_alt"], fed["noise_alt"]])
    tf.random_normal = lambda **_: next(noises)
    tf.random_uniform = lambda shape, **_: fed["alpha" if list(shape)[1:] == [1, 1, 1] else "spread"]
    labels = tf.constant(LABELS)
    made = original.build_multi_tower_graph(
        fed["photo"], fed["sketch"], fed["photo"], fed["sketch"], labels, labels, labels, BATCH, 1, [1], True, RATES,
        tf.constant(0), tf.constant(0.5), 300_000,
    )  # fmt: skip
    return fed, made[0], made[1]


def feed(fed, step):
    """Placeholder -> its numbers."""
    return {fed[name]: value for name, value in batch(step).items()}


def settle(tf, assign, session):
    """Make each estimate of a singular vector the singular vector itself."""
    table = {one.op.name: one for one in tf.global_variables()}
    estimates = {name: one for name, one in table.items() if name.endswith("/u")}
    kernels = session.run({name: table[f"{name[: len(name) // 2 - 1]}/weights"] for name in estimates})
    values = {one: kernels[name].reshape(-1, kernels[name].shape[-1]) for name, one in estimates.items()}
    assign(session, {one: np.linalg.svd(kernel)[2][:1] for one, kernel in values.items()})


def spectral(tf, tensorflow1, original):
    """With spectral norm: networks, terms, and the gradients of both objectives less their weight decay."""
    fed, *_ = graph(tf, original)
    parts = {name: tf.get_collection(name)[0] for name in (*TERMS, *DECAY)}
    session = tensorflow1.start(value)
    settle(tf, tensorflow1.assign, session)
    said = session.run(parts, feed(fed, 0))
    values = {"terms": np.array([said[name] for name in TERMS]), "decay": np.array([said[name] for name in DECAY])}
    shown = {name: tf.get_collection(name)[0] for name in ("img_2_to_1", "img_2_to_1_b")}
    for name, picture in session.run(shown, feed(fed, 0)).items():
        values[name] = summary(picture.transpose(0, 3, 1, 2))
    for side in "gd":
        variables = tf.trainable_variables({"g": "generator", "d": "discriminator"}[side])
        loss = tf.get_collection(f"total_loss_{side}")[0] - parts[f"weight_decay_loss_{side}"]
        gradients = [tf.convert_to_tensor(one) for one in tf.gradients(loss, variables)]
        gradients = session.run(gradients, feed(fed, 0))
        values.update({f"gradient/{v.op.name}": summary(g) for v, g in zip(variables, gradients, strict=True)})
        values.update({f"shape/{v.op.name}": np.array(v.shape.as_list(), int) for v in variables})
    return values


def penalized(tf, tensorflow1, original):
    """Without spectral norm, weight decay and clipping: some steps with the one-sided penalty around the photos."""
    fed, step_g, step_d = graph(tf, original)
    judged = {name: tf.get_collection(name)[0] for name in ("GAN_loss_d", "ACGAN_loss_d", "GAN_loss_d_gp")}
    drawn = {name: tf.get_collection(name)[0] for name in TERMS if not name.endswith("_d")}
    session = tensorflow1.start(value)
    rows = []
    for step in range(STEPS):
        of_d = session.run(judged, feed(fed, step))
        session.run(step_d, feed(fed, step))
        of_g = session.run(drawn, feed(fed, step))
        session.run(step_g, feed(fed, step))
        rows.append([*of_d.values(), *of_g.values()])
    values = {"steps/terms": np.array(rows)}
    for one in tf.trainable_variables():
        start = value(one.op.name, tuple(one.shape.as_list()))
        values[f"moved/{one.op.name}"] = summary(session.run(one) - start)
    return values


def main():
    """Ask the original."""
    folder, about = checkout("wchen342/SketchyGAN")
    tf, tensorflow1, original = prepare(folder)
    with tf.Graph().as_default():
        values = spectral(tf, tensorflow1, original)
    original.models.ly.l2_regularizer = lambda rate: lambda weights: tf.zeros([], tf.float64)
    original.Config.sn = False
    original.clip_ops = SimpleNamespace(
        global_norm=tf.global_norm, clip_by_norm=lambda one, _: one, clip_by_global_norm=lambda all, *_: (all, None)
    )
    with tf.Graph().as_default():
        values.update(penalized(tf, tensorflow1, original))
    write("sketchygan", about, values)


if __name__ == "__main__":
    main()
