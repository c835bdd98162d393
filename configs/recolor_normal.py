# sketchkit train configs/recolor_normal.py --cfg-options data_root=PATH
# The normal table: U-Net of three levels that predicts ab, discriminator of five layers on L and the whole Lab picture.
_base_ = "recolor_simple.py"
image_size = 168
translator = dict(data_preprocessor=dict(predicted="ab"))
backbone = dict(
    out_channels=2,
    encoder=[[64, 64], [128, 128], [256, 256, 256]],
    decoder=[[128, 64], [64]],
    last_kernel=1,
)
heads = dict(
    discriminator=dict(
        channels=[32, 64, 128, 256, 256],
        strides=[2, 2, 1, 1, 1],
        norm_first=True,
        image_channels=2,
        complete_with_source=True,
    )
)
