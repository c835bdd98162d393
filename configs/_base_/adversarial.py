# Adam for both sides; the learning rate constant for the first half of the run, then linearly to zero.
optim_wrapper = dict(
    constructor="GroupOptimizers",
    amp=None,
    allow_slow_amp=False,
    generator=dict(optimizer=dict(type="Adam", lr=2e-4, betas=(0.5, 0.999), fused=True)),
    discriminator=dict(optimizer=dict(type="Adam", lr=2e-4, betas=(0.5, 0.999), fused=True)),
)
param_scheduler = [dict(type="LinearLR", by_epoch=False, start_factor=1.0, end_factor=0.0, begin=0.5, end=1.0)]
train_cfg = dict(type="TrainLoop", max_iters=100_000, val_interval=5000)
