# The Sketchy Database (Sangkloy et al. 2016), or anything in its layout.
data_root = "data/sketchy"
categories = 125
image_size = 64
batch_size = 16
num_workers = 2
photo_tx = "tx_000000000000"
sketch_tx = "tx_000000000000"
drop = ["error"]
max_unreadable = 10

dataset = dict(
    type="SketchyDataset",
    data_root="$data_root",
    categories="$categories",
    photo_tx="$photo_tx",
    sketch_tx="$sketch_tx",
    drop="$drop",
    max_unreadable="$max_unreadable",
    seed="$seed",
)
train_dataloader = dict(
    dataset=dict(
        **dataset,
        split="train",
        pipeline=[
            dict(type="InvertSketch"),
            dict(type="Resize", size=["$image_size", "$image_size"]),
            dict(type="RandomHorizontalFlip", p=0.5),
            dict(type="Only", keys=["target"], transform=dict(type="ColorJitter", brightness=0.1, contrast=0.1)),
        ],
    ),
    sampler=dict(type="ResumableSampler", shuffle=True, seed="$seed"),
    batch_size="$batch_size",
    num_workers="$num_workers",
    collate_fn=dict(type="collate_pictures"),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        split="test",
        pipeline=[dict(type="InvertSketch"), dict(type="Resize", size=["$image_size", "$image_size"])],
    ),
    sampler=dict(type="DefaultSampler", shuffle=False),
    batch_size="$batch_size",
    num_workers="$num_workers",
    collate_fn=dict(type="collate_pictures"),
)
del dataset
val_evaluator = dict(type="HeldOutMetric")
val_cfg = dict()
