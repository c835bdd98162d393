"""TensorFlow 1 for code written for it, made of TensorFlow 2's `compat.v1` and tf-slim; all of it in float64.

python3 -m venv VENV && VENV/bin/pip install tensorflow-cpu tf-slim
"""

import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim

NHWC, NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def install():
    """Hand it to whoever imports tensorflow, tensorflow.contrib.layers or tf.contrib.slim from now on."""
    tf.disable_v2_behavior()
    variable, convolve, resize, greater = tf.get_variable, tf.nn.conv2d, tf.image.resize_images, tf.maximum

    def get_variable(name, shape=None, dtype=None, initializer=None, **options):
        if isinstance(initializer, float | np.ndarray):
            initializer = np.asarray(initializer, np.float64)
        return variable(name, shape, tf.float64, initializer, use_resource=True, **options)

    def conv2d(maps, kernel, strides, padding, data_format):
        assert data_format == "NCHW"  # which a CPU cannot do
        strides = [1, strides[2], strides[3], 1]
        return tf.transpose(convolve(tf.transpose(maps, NHWC), kernel, strides, padding), NCHW)

    tf.get_variable, tf.nn.conv2d = get_variable, conv2d
    tf.image.resize_images = lambda maps, *options: tf.cast(resize(maps, *options), tf.float64)
    tf.maximum = lambda one, other: greater(tf.convert_to_tensor(one, tf.float64), other)
    # As the library's own, which computes in float32 whatever it is given.
    tf.losses.absolute_difference = lambda one, other: tf.reduce_mean(tf.abs(one - other))
    tf.float32 = tf.float64
    import_module("tensorflow.python.framework.ops").IndexedSlices = tf.IndexedSlices
    layers = import_module("tf_slim.layers")
    tf.contrib = SimpleNamespace(slim=tf_slim, layers=layers)
    for name, module in {"": tf, ".contrib": tf.contrib, ".contrib.layers": layers}.items():
        sys.modules[f"tensorflow{name}"] = module
    return tf


def stub(name, **values):
    """A module of that name with those values."""
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__dict__.update(values)


def start(value):
    """A session of the graph, whose variables hold value(name, shape)."""
    config = tf.ConfigProto(allow_soft_placement=True)
    config.graph_options.rewrite_options.disable_meta_optimizer = True  # each graph is run a few times only
    session = tf.Session(config=config)
    session.run(tf.global_variables_initializer())
    assign(session, {one: value(one.op.name, tuple(one.shape.as_list())) for one in tf.trainable_variables()})
    return session


def assign(session, values):
    """Variable -> what it is to hold."""
    session.run(
        [one.initializer for one in values], {one.initializer.inputs[1]: value for one, value in values.items()}
    )
