# sketchkit train configs/pix2pix_modern_facades.py --cfg-options data_root=PATH
# Label maps to facades by newer pieces (docs/modern.md): a U-Net whose norms are told the labels, a PatchGAN that sees
# augmented pictures, and its features; tested by running statistics. In a few minutes it is smoother than
# pix2pix_facades, and without its grid.
_base_ = ["_base_/runtime.py", "_base_/modern.py", "_base_/pairs.py"]
data_root = "data/facades"
val_split = "test"
direction = "BtoA"
batch_size = 2

backbone = dict(num_downs=8, final_width=32)
heads = dict(discriminator=dict(num_layers=3))
generator_losses = dict(pixel=dict(weight=5.0))
optim_wrapper = dict(generator=dict(optimizer=dict(lr=4e-4)), discriminator=dict(optimizer=dict(lr=4e-4)))
train_cfg = dict(max_iters=20_000, val_interval=1000)
