# How every run is watched, saved and shown.
seed = 0
randomness = dict(seed="$seed", diff_rank_seed=True)
log_level = "INFO"
env_cfg = dict(cudnn_benchmark=True)

default_hooks = dict(
    runtime_info=dict(type="RuntimeHook"),
    timer=None,
    sampler_seed=None,
    param_scheduler=dict(type="ParamSchedulerHook"),
    record=dict(type="RunRecordHook"),
    logger=dict(type="ProgressHook", interval=50),
    grids=dict(type="SampleGridHook", interval=1000, samples=12),
    watchdog=dict(type="WatchdogHook", interval=50, begin=500),
    checkpoint=dict(type="SafeCheckpointHook", interval=1000, max_keep_ckpts=2),
)
custom_hooks = []
# What people's pictures are to a trained run: 'picture' or 'drawing'; and how outputs get their size: 'none', 'ink',
# 'guided'. See docs/translate.md.
inference = dict(source="picture", detail="none")
