# sketchkit train configs/sketch2img_10classes_sketchy.py --cfg-options data_root=PATH
# The report's second run: the first ten classes, conditional batch norm in the generator, 20 epochs.
_base_ = "sketchygan_sketchy.py"
categories = 10
train_cfg = dict(max_iters=6_700, val_interval=670)
