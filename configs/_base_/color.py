# Colour pictures alone, in one folder; pictures without colour are left out.
_base_ = "loaders.py"
data_root = "data/color"
split_ratios = [0.8, 0.1, 0.1]
split_seed = 0
split_file = None
train_split = "train"
val_split = "val"
# What `sketchkit eval RUN` measures.
test_split = "test"
list_file = None
min_colorfulness = 5
colorfulness_opponent = "absolute"
image_size = 256
# How pictures are brought to a size, always antialiased; also those of `sketchkit translate --size`.
interpolation = "bicubic"
batch_size = 128
num_workers = 2
max_samples = None
max_unreadable = 10

dataset = dict(
    type="ColorDataset",
    data_root="$data_root",
    split_file="$split_file",
    split_ratios="$split_ratios",
    split_seed="$split_seed",
    list_file="$list_file",
    min_colorfulness="$min_colorfulness",
    colorfulness_opponent="$colorfulness_opponent",
    max_unreadable="$max_unreadable",
    seed="$seed",
)
train_dataloader = dict(
    dataset=dict(
        **dataset,
        split="$train_split",
        max_samples="$max_samples",
        pipeline=[
            dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation"),
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
