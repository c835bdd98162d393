"""Every registry, with the contract an entry obeys.

BACKBONES, HEADS, LOSSES and PICTURE_METRICS are stand-alone: mmengine allows one child per parent and scope, so that
three children of its MODELS in one scope are impossible. Whatever the Runner builds by itself is a child of mmengine's
root; METRICS are what its validation builds, and one of them measures by the PICTURE_METRICS.

Backbone: `forward(source, *, label=None, hint=None, noise=None) -> image`; what it takes is declared by its signature.
    Attributes `in_channels`, `out_channels`, `size_multiple` (what H and W must divide by). One that takes noise also
    has `noise_shape(height, width) -> tuple`, `encode(source, ...) -> state` and `decode(state, noise) -> image`.
Head: `forward(image, source=None, label=None) -> HeadOutput`.
Loss: an `nn.Module` whose `forward` names the inputs it needs; see `sketchkit.translators.objective`.
Picture metric: a `PictureMetric` under its short name ('fid'); see `sketchkit.evaluation.contract`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mmengine import registry as roots
from mmengine.registry import Registry
from torch import Tensor, nn

from sketchkit.errors import ConfigError

SCOPE = "sketchkit"
LISTED = 40  # names that a message lists; timm has more than a thousand networks


class HeadOutput(NamedTuple):
    """What a discriminator says of a batch of images.

    logits: real/fake logits, (B, 1) or patches (B, 1, h, w). class_logits: (B, K) or None. features: maps in order.
    """

    logits: Tensor
    class_logits: Tensor | None = None
    features: tuple[Tensor, ...] = ()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that names the closest known word, or lists them when none is close."""
    known = sorted(known)
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{by_lower[close[0]]}'?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return "known: " + (", ".join(known[:LISTED]) or "none") + more


def one_of(option: str, value: str | None, choices: Iterable[str | None]) -> None:
    """Refuse a value of an option that is not among its choices.

    Raises:
        ConfigError: names the option, the value and the closest choice.
    """
    choices = list(choices)
    if value not in choices:
        raise ConfigError(f"{option}={value!r} is not a choice: {did_you_mean(str(value), map(str, choices))}")


def whole_number(option: str, value: Any, least: int) -> None:
    """Refuse a value of an option that is no whole number of `least` or more.

    Raises:
        ConfigError: names the option and the value.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{option}={value!r}: give a whole number of {least} or more")


class SketchRegistry(Registry):
    """A child of an mmengine root whose unknown names are answered with the closest known one."""

    _imported: bool

    def import_from_location(self) -> None:
        """Load every plugin at the first look-up."""
        if not self._imported:
            self._imported = True
            from sketchkit.plugins import load_all

            load_all()

    def find(self, key: str) -> type | None:
        """The entry of that name, here or in the parents; None when there is none."""
        return super().get(key)

    def get(self, key: str) -> type:
        """The entry of that name.

        Raises:
            ConfigError: no such name; says the closest one, and which plugins failed to load.
        """
        found = self.find(key)
        if found is None:
            raise ConfigError(f"no {self.name} is named '{key}': {did_you_mean(key, self.names())}{_failures()}")
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.find(key) is not None

    def names(self) -> list[str]:
        """Every name that can be built here, sorted."""
        self.import_from_location()
        inherited = self.parent.module_dict if self.parent is not None else {}
        return sorted({*self.module_dict, *inherited})


class PluginRegistry(SketchRegistry):
    """A stand-alone registry that builds from a config and refuses options the entry does not have."""

    def build(self, cfg: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Build the entry that `cfg['type']` names with the rest of `cfg` as options.

        Raises:
            ConfigError: no type, an unknown type, an unknown option, or a required one missing.
        """
        options = {**cfg, **kwargs}
        name = options.pop("type", None)
        if name is None:
            raise ConfigError(f"a {self.name} needs a type: {did_you_mean('', self.names())}")
        entry = self.get(name) if isinstance(name, str) else name
        check_options(entry, options)
        return entry(*args, **options)


def check_options(entry: Any, options: Mapping[str, Any]) -> None:
    """Refuse what `entry` cannot be called with, naming the closest option it has.

    Raises:
        ConfigError: an unknown option, or a required one missing.
    """
    known, takes_any = options_of(entry)
    for option in options:
        if option not in known and not takes_any:
            raise ConfigError(f"{entry.__name__} has no option '{option}': {did_you_mean(option, known)}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise ConfigError(f"{entry.__name__} needs the option '{name}'")


def options_of(entry: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """The options `entry` names, and whether it takes others as well."""
    # A module without an `__init__` of its own inherits one that seems to take anything, and takes nothing.
    if getattr(entry, "__init__", None) is nn.Module.__init__:
        return {}, False
    parameters = inspect.signature(entry).parameters.values()
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _failures() -> str:
    from sketchkit.plugins import failures

    broken = failures()
    return "".join(f"; plugin {p.name} failed to load ({p.error})" for p in broken)


BACKBONES = PluginRegistry("backbone", scope=SCOPE)
HEADS = PluginRegistry("head", scope=SCOPE)
LOSSES = PluginRegistry("loss", scope=SCOPE)
PICTURE_METRICS = PluginRegistry("metric", scope=SCOPE)
PLUGIN_REGISTRIES = (BACKBONES, HEADS, LOSSES, PICTURE_METRICS)


def _child(root: Registry) -> SketchRegistry:
    return SketchRegistry(root.name, parent=root, scope=SCOPE)


MODELS = _child(roots.MODELS)
DATASETS = _child(roots.DATASETS)
DATA_SAMPLERS = _child(roots.DATA_SAMPLERS)
TRANSFORMS = _child(roots.TRANSFORMS)
METRICS = _child(roots.METRICS)
HOOKS = _child(roots.HOOKS)
LOOPS = _child(roots.LOOPS)
OPTIMIZERS = _child(roots.OPTIMIZERS)
OPTIM_WRAPPERS = _child(roots.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(roots.OPTIM_WRAPPER_CONSTRUCTORS)
PARAM_SCHEDULERS = _child(roots.PARAM_SCHEDULERS)
LOG_PROCESSORS = _child(roots.LOG_PROCESSORS)
VISUALIZERS = _child(roots.VISUALIZERS)
VISBACKENDS = _child(roots.VISBACKENDS)
MODEL_WRAPPERS = _child(roots.MODEL_WRAPPERS)
EVALUATOR = _child(roots.EVALUATOR)
RUNNERS = _child(roots.RUNNERS)
FUNCTIONS = _child(roots.FUNCTIONS)
RUNNER_CHILDREN = (
    MODELS, DATASETS, DATA_SAMPLERS, TRANSFORMS, METRICS, HOOKS, LOOPS, OPTIMIZERS, OPTIM_WRAPPERS,
    OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS, LOG_PROCESSORS, VISUALIZERS, VISBACKENDS, MODEL_WRAPPERS, EVALUATOR,
    RUNNERS, FUNCTIONS,
)  # fmt: skip
