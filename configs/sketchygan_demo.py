# sketchkit train configs/sketchygan_demo.py (`make demo` draws its data first)
# The newer pieces on the embedded sample data, narrow enough to learn in six minutes on two cores.
_base_ = "sketchygan_modern_sketchy.py"
data_root = "data/sample"
categories = 13
num_workers = 0

translator = dict(ema=dict(momentum=0.01, gamma=20))
backbone = dict(width=16, final_width=16)
heads = dict(discriminator=dict(width=24))
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=3e-3)),
    discriminator=dict(optimizer=dict(lr=1.5e-3)),
)
train_cfg = dict(max_iters=1100, val_interval=550, val_at_start=True)
default_hooks = dict(
    logger=dict(interval=20), grids=dict(interval=275), watchdog=dict(begin=300), checkpoint=dict(interval=275)
)
