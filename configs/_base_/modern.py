# What the modern twins of published systems share, measured in docs/modern.md: a U-Net whose norms are told the source,
# doubling its maps by resizing, a PatchGAN under spectral norm that sees augmented pictures, its features, averages.
_base_ = "adversarial.py"

translator = dict(type="ConditionalTranslator", ema=dict(type="MomentumAnnealingEMA", momentum=0.001, gamma=100))
backbone = dict(type="UNetGenerator", norm="spade", upsampling="resize", dropout=0.0)
heads = dict(
    discriminator=dict(
        type="PatchDiscriminator",
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
