# sketchkit train configs/autopainter_lineart.py --cfg-options data_root=PATH
# Auto-Painter with colour hints at 256 pixels, for any pairs of drawing and line art, or those of `data sketch`.
# Means in place of the seed's sums: 29 is 0.01 sqrt(N) for the N = 128 x 256 x 256 features, and 78 is 1e-4 N for the
# N = 3 x 511 x 511 differences of one picture at 512 pixels, so that the balance is the seed's at any size and batch.
_base_ = "autopainter_anime_hints.py"
data_root = "data/lineart"
image_size = 256
load_size = None
source_side = "auto"
# Photos that `data sketch` has drawn keep their shape.
side_ratio = None
batch_size = 4
# Running statistics: measured on line art, in docs/autopainter.md.
translator = dict(test_norm="running", test_dropout=False)
backbone = dict(num_downs=7, upsampling="resize")
heads = dict(discriminator=dict(_delete_=True, type="PatchDiscriminator", num_layers=3, norm="batch"))
generator_losses = dict(
    feature=dict(reduction="mean", weight=29.0),
    tv=dict(reduction="mean", weight=78.0),
    # A dot is too few pixels for the mean over all of them to learn it.
    hint=dict(type="HintLoss", weight=40.0),
)
train_cfg = dict(max_iters=20_000, val_interval=1000)
default_hooks = dict(grids=dict(samples=12))
# Marks as people draw them, half of them in colours of their own; in validation the truth is left as it is.
train_dataloader = dict(
    dataset=dict(
        needs_color=False,
        pipeline=[
            dict(type="ResizeAndCrop", size="$image_size", load_size="$load_size", interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p=0.5),
            dict(type="ColorHints"),
        ],
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
