# sketchkit train configs/pix2pix_facades.py --cfg-options data_root=PATH
# pix2pix (Isola et al., CVPR 2017) on the CMP facades: label maps (right) to photos (left), 200 epochs of 400 pairs.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/pairs.py"]
data_root = "data/facades"
val_split = "test"
direction = "BtoA"

# Tested as published (section 3.3): dropout on, each picture by its own statistics; see docs/pix2pix_cyclegan.md.
translator = dict(type="ConditionalTranslator", test_norm="batch", test_dropout=True)
backbone = dict(type="UNetGenerator", num_downs=8, norm="batch", dropout=0.5)
heads = dict(discriminator=dict(type="PatchDiscriminator", num_layers=3, norm="batch"))
generator_losses = dict(
    gan=dict(type="AdversarialLoss", mode="vanilla", weight=1.0),
    pixel=dict(type="PixelLoss", weight=100.0),
)
discriminator_losses = dict(gan=dict(type="AdversarialLoss", mode="vanilla", weight=0.5))
train_cfg = dict(max_iters=80_000, val_interval=4000)
