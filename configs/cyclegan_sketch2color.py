# sketchkit train configs/cyclegan_sketch2color.py --cfg-options data_root=PATH
# Sketches (trainA) to coloured sketches (trainB), unpaired: the seed's 100 and 101 pictures, and its notebook's
# schedule: 100 epochs in batches of two, the learning rate falling from the 50th on.
_base_ = "cyclegan_apple2orange.py"
data_root = "data/sketch2color"
# What people draw is brought to the look of the training's, and their lines stay sharp at any size: docs/translate.md.
inference = dict(source="drawing", detail="ink")
batch_size = 2
train_cfg = dict(max_iters=5050, val_interval=505)
