# sketchkit train configs/fastcut_apple2orange.py --cfg-options data_root=PATH
# FastCUT: no identity term, a heavier contrastive one, mirrored pictures in half of the steps; 200 epochs.
_base_ = "cut_apple2orange.py"
translator = dict(flip_equivariance=True)
generator_losses = dict(nce=dict(weight=10.0), nce_identity=None)
train_cfg = dict(max_iters=203_800)
param_scheduler = [dict(type="LinearLR", by_epoch=False, start_factor=1.0, end_factor=0.0, begin=0.75, end=1.0)]
