# sketchkit train configs/autopainter_anime.py --cfg-options data_root=PATH
# Auto-Painter (Liu et al. 2017) at 512 pixels on the Kaggle anime pairs: colour left, sketch right; train and val.
# The terms are the seed's, sums over the batch included: with a batch of more than 1, `feature` and `tv` weigh more.
_base_ = ["_base_/runtime.py", "_base_/adversarial.py", "_base_/pairs.py"]
data_root = "data/anime"
image_size = 512
load_size = 530
source_side = "right"
# The original's TensorFlow enlarges by areas, which repeats pixels: not done here.
interpolation = "bilinear"
# What people draw is brought to the look of the training's, and their lines stay sharp at any size: docs/translate.md.
inference = dict(source="drawing", detail="ink")

# Tested as the published code does: it has no running statistics, and never switches dropout off.
translator = dict(type="ConditionalTranslator", test_norm="batch", test_dropout=True)
backbone = dict(type="UNetGenerator", num_downs=8, norm="batch", norm_innermost=True, bias=True, dropout=0.5)
# last_kernel=4 and bias=None give the larger discriminator, of the same 30 x 30 patches.
heads = dict(discriminator=dict(type="PatchDiscriminator", num_layers=4, norm="batch", last_kernel=2, bias=True))
generator_losses = dict(
    gan=dict(type="AdversarialLoss", mode="vanilla", weight=1.0),
    pixel=dict(type="PixelLoss", weight=100.0),
    feature=dict(
        type="PerceptualLoss", network="vgg16", layers=["relu2_2"], distance="euclidean", resize=None, reduction="sum",
        weight=0.01,
    ),
    tv=dict(type="TotalVariationLoss", penalty="sqrt", reduction="sum", weight=1e-4),
)  # fmt: skip
discriminator_losses = dict(gan=dict(type="AdversarialLoss", mode="vanilla", weight=1.0))
# 20 epochs of 14,224 pairs.
train_cfg = dict(max_iters=284_480, val_interval=14_224)
default_hooks = dict(grids=dict(samples=6))
train_dataloader = dict(dataset=dict(needs_color=True))
