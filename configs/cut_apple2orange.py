# sketchkit train configs/cut_apple2orange.py --cfg-options data_root=PATH
# CUT (Park et al., ECCV 2020): one generator, patches told apart by its own encoder; 400 epochs of 1,019 pictures.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/unpaired.py"]
data_root = "data/apple2orange"

translator = dict(
    type="ContrastiveTranslator",
    layers=["input", "down_1", "down_2", "block_1", "block_5"],
    num_patches=256,
    channels=256,
    flip_equivariance=False,
)
backbone = dict(
    type="ResNetGenerator", num_blocks=9, norm="instance", antialias=True, upsampling="bilinear", init="xavier"
)
heads = dict(
    discriminator=dict(
        type="PatchDiscriminator", num_layers=3, norm="instance", source_channels=0, antialias=True, init="xavier"
    )
)
# Half of each: the fakes' patches and those of what is made of a target.
generator_losses = dict(
    gan=dict(type="AdversarialLoss", mode="lsgan", weight=1.0),
    nce=dict(type="PatchNCELoss", weight=0.5),
    nce_identity=dict(type="IdentityPatchNCELoss", weight=0.5),
)
discriminator_losses = dict(gan=dict(type="AdversarialLoss", mode="lsgan", weight=0.5))
optim_wrapper = dict(projection=dict(optimizer=dict(type="Adam", lr=2e-4, betas=(0.5, 0.999), fused=True)))
train_cfg = dict(max_iters=407_600, val_interval=10_190)
