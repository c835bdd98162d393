# sketchkit train configs/sketch2img_8channel_sketchy.py --cfg-options data_root=PATH
# The report's third run: the generator starts from the sketch in 8 channels in place of the embedded label.
_base_ = "sketch2img_10classes_sketchy.py"
backbone = dict(start="sketch")
