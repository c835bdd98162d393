# sketchkit train configs/autopainter_lineart.py --cfg-options data_root=PATH
# Auto-Painter with colour hints at 256 pixels, for any pairs of drawing and line art, or those of `data sketch`; its
# networks are of newer pieces, measured in docs/autopainter.md.
# Means in place of the seed's sums: 29 is 0.01 sqrt(N) for the N = 128 x 256 x 256 features, and 78 is 1e-4 N for the
# N = 3 x 511 x 511 differences of one picture at 512 pixels, so that the balance is the seed's at any size and batch.
_base_ = ["_base_/runtime.py", "_base_/modern.py", "_base_/pairs.py"]
data_root = "data/lineart"
image_size = 256
source_side = "auto"
# Photos that `data sketch` has drawn keep their shape.
side_ratio = None
interpolation = "bilinear"
batch_size = 4
# What people draw is brought to the look of the training's, and their lines stay sharp at any size: docs/translate.md.
inference = dict(source="drawing", detail="ink")

translator = dict(ema=dict(momentum=0.005, gamma=20))
backbone = dict(num_downs=7, final_width=32, norm_innermost=True, bias=True, hint_channels=4)
heads = dict(discriminator=dict(num_layers=3))
generator_losses = dict(
    pixel=dict(weight=100.0),
    feature=dict(
        type="PerceptualLoss",
        network="vgg16",
        layers=["relu2_2"],
        distance="euclidean",
        resize=None,
        reduction="mean",
        weight=29.0,
    ),
    tv=dict(type="TotalVariationLoss", penalty="sqrt", reduction="mean", weight=78.0),
    # A dot is too few pixels for the mean over all of them to learn it.
    hint=dict(type="HintLoss", weight=40.0),
)
train_cfg = dict(max_iters=20_000, val_interval=1000)
default_hooks = dict(grids=dict(samples=12))
# Marks as people draw them, half of them in colours of their own; in validation the truth is left as it is.
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="ResizeAndCrop", size="$image_size", load_size="$load_size", interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p=0.5),
            dict(type="ColorHints"),
        ]
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
            dict(type="ColorHints", repaint=0.0),
        ]
    )
)
