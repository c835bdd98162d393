# sketchkit train configs/recolor_complex.py --cfg-options data_root=PATH
# The complex table: the U-Net of pix2pix from L to ab, and the 70 x 70 PatchGAN on both.
_base_ = "recolor_simple.py"
image_size = 256
batch_size = 16
# Running statistics and no dropout in use: a photo has one colouring, and batches of 16 know their statistics well.
translator = dict(data_preprocessor=dict(predicted="ab"), test_norm="running", test_dropout=False)
backbone = dict(
    _delete_=True, type="UNetGenerator", in_channels=1, out_channels=2, num_downs=8, norm="batch", dropout=0.5
)
heads = dict(
    discriminator=dict(
        _delete_=True, type="PatchDiscriminator", num_layers=3, norm="batch", image_channels=2, source_channels=1
    )
)
train_cfg = dict(max_iters=80_000, val_interval=4000)
