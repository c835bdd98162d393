# sketchkit train configs/autopainter_anime_hints.py --cfg-options data_root=PATH
# Auto-Painter with the user's colours: hints (RGB and mask) enter beside the sketch.
_base_ = "autopainter_anime.py"
backbone = dict(hint_channels=4)
# The paper's: up to 50 blocks of 5 to 10 pixels, blurred over 9, none of them white.
hints = dict(
    type="ColorHints", marks=50, forms=["block"], size=(5 / 512, 10 / 512), repaint=0.0, blur=9 / 512, white=235,
    probability=0.9,
)  # fmt: skip
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
