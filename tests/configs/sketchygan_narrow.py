# SketchyGAN as the report has it, narrow: what whole runs of tests are made of.
_base_ = "../../configs/sketchygan_sketchy.py"
data_root = "data/sample"
categories = 13
num_workers = 0
# Not the report's: mirrored pairs, a smaller jitter after the resizing, and no centring, which the demo was tuned with.
flip = 0.5
brightness = 0.1
contrast = 0.1

translator = dict(
    data_preprocessor=dict(normalization="symmetric"), ema=dict(type="MomentumAnnealingEMA", momentum=0.01, gamma=20)
)
# No grid: neither from the generator's upsampling nor, through its gradients, from the discriminator's halving.
backbone = dict(width=8, activation="leaky_relu", upsampling="resize")
heads = dict(discriminator=dict(width=8, activation="leaky_relu", antialias=True))
# The demo does without Inception-v4's weights, which it would have to download.
generator_losses = dict(perceptual=None, pixel=dict(weight=50.0), diversity=dict(weight=5.0))
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=2e-3, betas=(0.5, 0.999))),
    discriminator=dict(optimizer=dict(lr=1e-3, betas=(0.5, 0.999))),
)
train_cfg = dict(max_iters=400, val_interval=200, val_at_start=True)
default_hooks = dict(
    logger=dict(interval=20), grids=dict(interval=100), watchdog=dict(begin=200), checkpoint=dict(interval=100)
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="InvertSketch"),
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p="$flip"),
            dict(
                type="Only",
                keys=["target"],
                transform=dict(type="ColorJitter", brightness="$brightness", contrast="$contrast"),
            ),
        ]
    )
)
