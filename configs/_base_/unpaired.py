# Two folders of pictures that do not belong to each other: trainA and trainB, testA and testB.
_base_ = "loaders.py"
data_root = "data/unpaired"
train_split = "train"
val_split = "test"
folders = ["A", "B"]
image_size = 256
# How pictures are brought to a size, always antialiased; also those of `sketchkit translate --size`.
interpolation = "bicubic"
load_size = None
batch_size = 1
num_workers = 2
direction = "AtoB"
serial = False
max_samples = None
max_unreadable = 10

dataset = dict(
    type="UnpairedDataset",
    data_root="$data_root",
    folders="$folders",
    direction="$direction",
    max_unreadable="$max_unreadable",
    seed="$seed",
)
train_dataloader = dict(
    dataset=dict(
        **dataset,
        split="$train_split",
        serial="$serial",
        max_samples="$max_samples",
        # Each picture is cropped and flipped by itself.
        pipeline=[
            dict(
                type="Only",
                keys=[key],
                transform=[
                    dict(
                        type="ResizeAndCrop", size="$image_size", load_size="$load_size", interpolation="$interpolation"
                    ),
                    dict(type="RandomHorizontalFlip", p=0.5),
                ],
            )
            for key in ("source", "target")
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        split="$val_split",
        serial=True,
        pipeline=[dict(type="Resize", size=["$image_size", "$image_size"], interpolation="$interpolation")],
    ),
)
del dataset
