# sketchkit train configs/cyclegan_apple2orange.py --cfg-options data_root=PATH
# CycleGAN (Zhu et al., ICCV 2017): ResNet of 9 blocks, least squares, 200 epochs of 1,019 pictures.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/unpaired.py"]
data_root = "data/apple2orange"

translator = dict(type="CycleTranslator", pool_size=50)
backbone = dict(type="ResNetGenerator", num_blocks=9, norm="instance")
heads = dict(discriminator=dict(type="PatchDiscriminator", num_layers=3, norm="instance", source_channels=0))
generator_losses = dict(
    gan=dict(type="AdversarialLoss", mode="lsgan", weight=1.0),
    cycle=dict(type="CycleConsistencyLoss", weight=10.0),
    identity=dict(type="IdentityLoss", weight=5.0),
)
discriminator_losses = dict(gan=dict(type="AdversarialLoss", mode="lsgan", weight=0.5))
train_cfg = dict(max_iters=203_800, val_interval=10_190)
