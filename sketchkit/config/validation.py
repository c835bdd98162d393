"""A resolved config, checked before anything is built of it: sections, entries and values, by what entries declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from torch.utils.data import DataLoader

from sketchkit import registry
from sketchkit.config.checks import (
    HEAD_OPTIONS,
    Check,
    Misfit,
    a_dict,
    anything,
    entry,
    fields,
    known,
    listed,
    named,
    nothing,
    one_or_several,
    optional,
    plain,
)
from sketchkit.config.inference import InferenceOptions
from sketchkit.declared import Count, Interpolation, NotNegative, Range, Seed, Share, Side, Whole, short
from sketchkit.errors import ConfigError
from sketchkit.options import options_of

WRAPPER = "SyncedOptimWrapper"
PRIORITIES = Literal[
    "HIGHEST", "VERY_HIGH", "HIGH", "ABOVE_NORMAL", "NORMAL", "BELOW_NORMAL", "LOW", "VERY_LOW", "LOWEST"
]  # fmt: skip
LEVELS = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def validate(config: Mapping[str, Any], references: Mapping[str, str] | None = None) -> None:
    """Refuse a resolved config of which something cannot be built, by what the entries that it names declare.

    Args:
        references: key -> the top-level name that its value was written under, which errors then name.

    Raises:
        ConfigError: one line: the key, its value and what fits, or the closest name.
    """
    try:
        for key, value in config.items():
            SECTIONS.get(key, anything)(value, key)
    except Misfit as error:
        raise ConfigError(_written(error.key, references or {}) + error.wrong) from None
    except RecursionError:
        raise ConfigError("the config is nested too deeply") from None


def validate_plugins(config: Mapping[str, Any]) -> None:
    """Refuse what names no plugins; the rest can be checked when these are loaded.

    Raises:
        ConfigError: the key, its value and what fits.
    """
    try:
        for key in ("plugin_files", "custom_imports"):
            if config.get(key) is not None:
                SECTIONS[key](config[key], key)
    except Misfit as error:
        raise ConfigError(str(error)) from None


def imports(value: Any, key: str) -> None:
    """`custom_imports`: modules, or mmengine's dict with them."""
    whole = fields(nothing, imports=plain(str | Sequence[str]), allow_failed_imports=plain(bool))
    (whole if isinstance(value, Mapping) else plain(str | Sequence[str] | None))(value, key)


def optimization(value: Any, key: str) -> None:
    """`optim_wrapper`: a dict with an optimizer for each group; options beside the groups are those of every group."""
    options = {*options_of(registry.OPTIM_WRAPPERS.get(WRAPPER))[0], "constructor"}
    groups = {name: one for name, one in a_dict(value, key).items() if isinstance(one, Mapping) and name not in options}
    for name, group in {name: one for name, one in value.items() if name not in options}.items():
        if name not in groups or not isinstance(group.get("optimizer"), Mapping):
            raise Misfit(f"{key}.{name}", f"={short(group)}: give dict(optimizer=dict(type='Adam', lr=2e-4))")
        GROUP(group, f"{key}.{name}")
    GROUP({name: item for name, item in value.items() if name not in groups}, key)


def randomness(value: Any, key: str) -> None:
    """What the runner's `set_randomness` takes."""
    from mmengine.runner import Runner  # which takes as long to import as torch

    fields(Runner.set_randomness, "seed", seed=plain(Seed | None))(value, key)


def inference(value: Any, key: str) -> None:
    """Options of `InferenceOptions`."""
    fields(InferenceOptions)(value, key)
    try:
        InferenceOptions(**value)
    except ConfigError as error:
        raise Misfit("", str(error)) from error


def measured(value: Any, key: str) -> None:
    """A metric's name, or a dict with its options."""
    (entry if isinstance(value, Mapping) else known)(registry.PICTURE_METRICS)(value, key)


def schedules(value: Any, key: str) -> None:
    """`param_scheduler`: a schedule, several, or those of each group."""
    by_group = isinstance(value, Mapping) and "type" not in value
    if by_group and not value:
        raise Misfit(key, "={}: give schedules, or None")
    (named(one_or_several(SCHEDULE)) if by_group else one_or_several(SCHEDULE))(value, key)


def by_part_of_a_name(check: Check) -> Check:
    """A dict of those by what parameters' names hold, which may be less than a name, such as '.norm.'."""

    def check_each(value: Any, key: str) -> None:
        for part, item in a_dict(value, key).items():
            if not isinstance(part, str) or not part:
                raise Misfit(key, f": {part!r} is no part of a parameter's name")
            check(item, f"{key}.{part}")

    return check_each


def _written(key: str, references: Mapping[str, str]) -> str:
    """The key under which a value was written."""
    start = key
    while start and start not in references:
        start = start.rpartition(".")[0]
    return references[start] + key[len(start) :] if start else key


MULTIPLIER = plain(NotNegative)
MULTIPLIERS = fields(nothing, lr_mult=MULTIPLIER, decay_mult=MULTIPLIER)
PARAMWISE = fields(
    nothing, custom_keys=by_part_of_a_name(MULTIPLIERS), bias_lr_mult=MULTIPLIER, bias_decay_mult=MULTIPLIER,
    norm_decay_mult=MULTIPLIER, flat_decay_mult=MULTIPLIER, dwconv_decay_mult=MULTIPLIER,
)  # fmt: skip
GROUP = entry(
    registry.OPTIM_WRAPPERS, "optimizer", default=WRAPPER, optimizer=entry(registry.OPTIMIZERS, "params"),
    constructor=known(registry.OPTIM_WRAPPER_CONSTRUCTORS), paramwise_cfg=optional(PARAMWISE),
)  # fmt: skip
# A count is of iterations or, as a fraction, of the run.
COUNTED = plain(Annotated[int | float, Range(0)])
SCHEDULE = entry(
    registry.PARAM_SCHEDULERS, "optimizer", "param_name",
    begin=COUNTED, end=COUNTED, T_max=COUNTED, step_size=COUNTED, milestones=listed(COUNTED),
)  # fmt: skip
# More pictures at a time, or more readers, than any machine has a use for would end in its memory.
BATCH, WORKERS = Annotated[int, Range(1, 2**16)], Annotated[int, Range(0, 512)]
FUNCTION = fields(nothing, "type", type=known(registry.FUNCTIONS))
LOADER = fields(
    DataLoader, "dataset", dataset=entry(registry.DATASETS), sampler=entry(registry.DATA_SAMPLERS, "dataset"),
    batch_sampler=optional(entry(registry.DATA_SAMPLERS, "sampler", "batch_size")), batch_size=plain(BATCH),
    num_workers=plain(WORKERS), collate_fn=FUNCTION, worker_init_fn=optional(FUNCTION),
    num_batch_per_epoch=plain(Count | None),
)  # fmt: skip
MEASURED = listed(measured)
HOOK = entry(registry.HOOKS, priority=plain(Annotated[int, Range(0, 100)] | PRIORITIES))
HEAD = entry(registry.HEADS, augment=HEAD_OPTIONS["augment"])
TERMS = optional(named(optional(entry(registry.LOSSES))))
PROCESSES = fields(
    nothing, mp_start_method=plain(Literal["fork", "spawn", "forkserver"]), opencv_num_threads=plain(Whole)
)
SECTIONS = {
    "translator": entry(registry.MODELS, "backbone"),
    "backbone": entry(registry.BACKBONES),
    "heads": optional(named(HEAD)),
    "generator_losses": TERMS,
    "discriminator_losses": TERMS,
    "train_dataloader": LOADER,
    "val_dataloader": optional(LOADER),
    "inference": optional(inference),
    "train_cfg": entry(registry.LOOPS, "runner", "dataloader"),
    "val_cfg": optional(entry(registry.LOOPS, "runner", "dataloader", "evaluator", default="ValLoop")),
    "val_evaluator": optional(one_or_several(entry(registry.METRICS, picture_metrics=MEASURED))),
    "optim_wrapper": optimization,
    "param_scheduler": optional(schedules),
    "default_hooks": named(optional(HOOK)),
    "custom_hooks": optional(listed(HOOK)),
    "visualizer": optional(entry(registry.VISUALIZERS,
                                 vis_backends=optional(listed(entry(registry.VISBACKENDS, "save_dir"))))),
    "log_processor": optional(entry(registry.LOG_PROCESSORS, default="LogProcessor")),
    "randomness": randomness,
    "env_cfg": fields(nothing, cudnn_benchmark=plain(bool), mp_cfg=optional(PROCESSES), dist_cfg=optional(anything),
                      resource_limit=plain(Count)),
    "log_level": plain(LEVELS),
    "launcher": plain(Literal["none", "pytorch", "slurm", "mpi"]),
    "load_from": plain(str | None),
    "work_dir": plain(str | None),
    "data_root": plain(str | Path),
    "test_split": plain(str | None),
    "seed": plain(Seed | None),
    "image_size": plain(Side | Sequence[Side]),
    "interpolation": plain(Interpolation),
    "flip": plain(Share),
    "batch_size": plain(BATCH),
    "num_workers": plain(WORKERS),
    "metrics": MEASURED,
    "custom_imports": imports,
    "plugin_files": plain(Sequence[str]),
}  # fmt: skip
