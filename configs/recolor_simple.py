# sketchkit train configs/recolor_simple.py --cfg-options data_root=PATH
# Recolouring in Lab, the simple table: U-Net of two levels that predicts Lab whole, discriminator on L and Lab.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/color.py"]
image_size = 150

translator = dict(type="ConditionalTranslator", data_preprocessor=dict(type="LabPreprocessor", predicted="lab"))
backbone = dict(
    type="BlockUNet",
    in_channels=1,
    out_channels=3,
    encoder=[[64, 64, 64], [128, 128, 128]],
    decoder=[[64, 32]],
    last_kernel=3,
)
heads = dict(
    discriminator=dict(
        type="ConvDiscriminator",
        image_size="$image_size",
        channels=[32, 64, 128],
        strides=[2, 2, 2],
        norm="batch",
        image_channels=3,
        source_channels=1,
    )
)
generator_losses = dict(
    gan=dict(type="AdversarialLoss", mode="vanilla", weight=1.0),
    pixel=dict(type="PixelLoss", weight=100.0),
)
discriminator_losses = dict(gan=dict(type="AdversarialLoss", mode="vanilla", weight=0.5))
# 100 epochs of 12,739 pictures in batches of 128; for SGD set optim_wrapper.SIDE.optimizer=dict(type='SGD', lr=...).
param_scheduler = None
train_cfg = dict(max_iters=10_000, val_interval=500)
