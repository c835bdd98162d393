# sketchkit train configs/autopainter_official_anime.py --cfg-options data_root=PATH
# Auto-Painter as its authors released it (Liu et al. 2017): 3 x 3 kernels, width 48, batches of one, squared variation
# summed, the mean difference in VGG-16's third block, and their weights.
_base_ = "autopainter_anime.py"

backbone = dict(width=48, kernel=3, bias=False)
heads = dict(discriminator=dict(num_layers=3, width=48, kernel=3, last_kernel=3, bias=False))
generator_losses = dict(
    pixel=dict(weight=50.0),
    feature=dict(layers=["relu3_2"], distance="l1", reduction="mean", weight=1e-4),
    tv=dict(penalty="squared", weight=1e-3),
)
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=2e-5)),
    discriminator=dict(optimizer=dict(lr=2e-5)),
)
# The rate stays as it is.
param_scheduler = None
