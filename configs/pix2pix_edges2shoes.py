# sketchkit train configs/pix2pix_edges2shoes.py --cfg-options data_root=PATH
# pix2pix on edges (left) to shoes (right): 15 epochs of 49,825 pairs in batches of 4.
# Tested as the facades are, a picture at a time.
_base_ = "pix2pix_facades.py"
data_root = "data/edges2shoes"
val_split = "val"
direction = "AtoB"
# What people draw is brought to the look of the training's edges; see docs/translate.md.
inference = dict(source="drawing")
batch_size = 4
train_cfg = dict(max_iters=187_000, val_interval=10_000)
