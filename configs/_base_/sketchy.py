# The Sketchy Database (Sangkloy et al. 2016), or anything in its layout.
_base_ = "loaders.py"
data_root = "data/sketchy"
categories = 125
image_size = 64
# How pictures are brought to a size, always antialiased; also those of `sketchkit translate --size`.
interpolation = "bilinear"
# Chances of a mirrored pair, and how far the photo's brightness and contrast are changed before it is resized.
flip = 0.0
brightness = 0.3
contrast = 0.2
batch_size = 16
num_workers = 2
photo_tx = "tx_000000000000"
sketch_tx = "tx_000000000000"
drop = ["error"]
# The share of each class's photos to hold out where there is no info/testset.txt.
test_ratio = None
max_unreadable = 10

dataset = dict(
    type="SketchyDataset",
    data_root="$data_root",
    categories="$categories",
    photo_tx="$photo_tx",
    sketch_tx="$sketch_tx",
    drop="$drop",
    test_ratio="$test_ratio",
    max_unreadable="$max_unreadable",
    seed="$seed",
)
train_dataloader = dict(
    dataset=dict(
        **dataset,
        split="train",
        pipeline=[
            dict(type="InvertSketch"),
            dict(
                type="Only",
                keys=["target"],
                transform=dict(type="ColorJitter", brightness="$brightness", contrast="$contrast"),
            ),
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p="$flip"),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        split="test",
        pipeline=[
            dict(type="InvertSketch"),
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
        ],
    ),
)
del dataset
