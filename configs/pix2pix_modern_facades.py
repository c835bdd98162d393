# sketchkit train configs/pix2pix_modern_facades.py --cfg-options data_root=PATH
# Label maps to facades by newer pieces (docs/modern.md): a U-Net whose norms are told the labels, PatchGANs
# at two scales that see augmented pictures, and their features; tested by running statistics, without dropout.
_base_ = "pix2pix_facades.py"
batch_size = 4

translator = dict(
    test_norm="running", test_dropout=False, ema=dict(type="MomentumAnnealingEMA", momentum=0.001, gamma=100)
)
backbone = dict(norm="spade", upsampling="resize", dropout=0.0)
heads = dict(
    discriminator=dict(
        type="MultiScaleDiscriminator",
        num_scales=2,
        num_layers=3,
        norm=None,
        spectral_norm=True,
        augment=dict(type="DiffAugment", policy=["color", "translation"]),
    )
)
generator_losses = dict(
    gan=dict(type="AdversarialLoss", mode="hinge", weight=1.0),
    pixel=dict(type="PixelLoss", weight=10.0),
    matching=dict(type="FeatureMatchingLoss", weight=10.0),
)
discriminator_losses = dict(gan=dict(type="AdversarialLoss", mode="hinge", weight=1.0))
optim_wrapper = dict(
    generator=dict(optimizer=dict(lr=4e-4)),
    discriminator=dict(optimizer=dict(lr=4e-4)),
)
train_cfg = dict(max_iters=20_000, val_interval=1000)
