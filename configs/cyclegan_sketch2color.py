# sketchkit train configs/cyclegan_sketch2color.py --cfg-options data_root=PATH
# Sketches (trainA) to coloured sketches (trainB), unpaired: the seed's 100 and 101 pictures, 200 epochs.
_base_ = "cyclegan_apple2orange.py"
data_root = "data/sketch2color"
train_cfg = dict(max_iters=20_200, val_interval=1010)
