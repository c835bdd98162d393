# make demo
# SketchyGAN on the embedded sample data, narrow enough to learn in minutes on a CPU.
_base_ = "sketchygan_sketchy.py"
data_root = "data/sample"
categories = 13
backbone = dict(width=24)
heads = dict(discriminator=dict(width=24))
# The demo must not depend on Inception-v4's weights, which it would have to download.
generator_losses = dict(perceptual=None, pixel=dict(weight=10.0))
train_cfg = dict(max_iters=600, val_interval=300, val_at_start=True)
default_hooks = dict(
    logger=dict(interval=20), grids=dict(interval=100), watchdog=dict(interval=20), checkpoint=dict(interval=200)
)
