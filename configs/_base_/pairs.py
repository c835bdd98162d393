# Pairs of registered pictures, side by side in one file or of one name in two folders.
_base_ = "loaders.py"
data_root = "data/pairs"
train_split = "train"
val_split = "val"
split_file = None
folders = ["A", "B"]
image_size = 256
# How pictures are brought to a size, always antialiased; also those of `sketchkit translate --size`.
interpolation = "bicubic"
load_size = None
batch_size = 1
num_workers = 2
source_side = "left"
side_ratio = 1.0
direction = "AtoB"
max_samples = None
max_unreadable = 10

dataset = dict(
    type="PairsDataset",
    data_root="$data_root",
    split_file="$split_file",
    folders="$folders",
    source_side="$source_side",
    side_ratio="$side_ratio",
    direction="$direction",
    max_unreadable="$max_unreadable",
    seed="$seed",
)
train_dataloader = dict(
    dataset=dict(
        **dataset,
        split="$train_split",
        max_samples="$max_samples",
        pipeline=[
            dict(type="ResizeAndCrop", size="$image_size", load_size="$load_size", interpolation="$interpolation"),
            dict(type="RandomHorizontalFlip", p=0.5),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        split="$val_split",
        pipeline=[dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation")],
    ),
)
del dataset
