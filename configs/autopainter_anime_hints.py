# sketchkit train configs/autopainter_anime_hints.py --cfg-options data_root=PATH
# Auto-Painter with the user's colours: hints (RGB and mask) enter beside the sketch.
_base_ = "autopainter_anime.py"
backbone = dict(hint_channels=4)
hints = dict(type="ColorHints", max_blocks=50, block=(5, 10))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="ResizeAndCrop", size="$image_size", load_size="$load_size", interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p=0.5),
            hints,
        ]
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"), hints]
    )
)
del hints
