# sketchkit train configs/sketchygan_modern_sketchy.py --cfg-options data_root=PATH
# Sketches and classes to photos by newer pieces, measured in docs/modern.md: a U-Net whose norms are told the sketch,
# noise that says what a picture has as a whole, a PatchGAN that sees augmented pictures, and its features.
_base_ = ["_base_/runtime.py", "_base_/modern.py", "_base_/sketchy.py"]
# What people draw is brought to the look of the training's sketches; see docs/translate.md.
inference = dict(source="drawing")
flip = 0.5
brightness = 0.1
contrast = 0.1
# The areas of the frames that training shows pictures in: nearer than they are, for whole ones are learned by heart
# with their grounds, and farther, for people draw small things too.
least_area = 0.6
most_area = 3.0

backbone = dict(num_downs=5, final_width=32, num_classes="$num_classes", noise_channels=8)
heads = dict(discriminator=dict(num_layers=2))
generator_losses = dict(gan=dict(weight=0.3), variety=dict(type="VarietyLoss", weight=15.0), matching=dict(weight=3.0))
train_cfg = dict(max_iters=84_000, val_interval=5000)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="InvertSketch"),
            dict(
                type="RandomZoom",
                size=["$image_size", "$image_size"],
                scale=["$least_area", "$most_area"],
                ratio=[0.8, 1.25],
                interpolation="$interpolation",
            ),
            dict(type="RandomHorizontalFlip", p="$flip"),
            dict(
                type="Only",
                keys=["target"],
                transform=dict(type="ColorJitter", brightness="$brightness", contrast="$contrast"),
            ),
        ]
    )
)
