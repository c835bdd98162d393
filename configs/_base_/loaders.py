# How samples are drawn and put together; what is read is said by the data set's own base.
train_dataloader = dict(
    sampler=dict(type="ResumableSampler", shuffle=True, seed="$seed"),
    batch_size="$batch_size",
    num_workers="$num_workers",
    collate_fn=dict(type="collate_pictures"),
)
val_dataloader = dict(
    sampler=dict(type="DefaultSampler", shuffle=False),
    batch_size="$batch_size",
    num_workers="$num_workers",
    collate_fn=dict(type="collate_pictures"),
)
# What else a validation measures: metrics=['lpips', 'fid'], as `sketchkit eval` does.
metrics = []
val_evaluator = dict(type="Validation", picture_metrics="$metrics")
val_cfg = dict()
