"""Every registry, with the contract an entry obeys.

BACKBONES, HEADS, LOSSES and PICTURE_METRICS are stand-alone: mmengine allows one child per parent and scope, so that
three children of its MODELS in one scope are impossible. Whatever the Runner builds by itself is a child of mmengine's
root; METRICS are what its validation builds, and one of them measures by the PICTURE_METRICS.

Backbone: `forward(source, *, label=None, hint=None, noise=None) -> image`; what it takes is declared by its signature,
    and by `num_classes`, `hint_channels` and `noise_channels`, where 0 of one with that option says: not this one.
    Attributes `in_channels`, `out_channels`, `size_multiple` (what H and W must divide by). One that takes noise also
    has `noise_shape(height, width) -> tuple`, `encode(source, ...) -> state` and `decode(state, noise) -> image`.
    `receptive_radius`, set where it is built: a pixel of the picture depends on no source pixel further away than this,
    in either direction; None, or nothing said: on the whole picture. With it large pictures can be translated in tiles.
    Its batch norms and dropouts are torch's: see `sketchkit.translators.protocol`, which changes what these do in use.
Head: `forward(image, source=None, label=None) -> HeadOutput`; one that also names `hint=None` has `hint_channels`.
Augmentation: a `sketchkit.translators.heads.Augmentation`: what a head looks at, changed by one draw a sample.
Loss: an `nn.Module` whose `forward` names the inputs it needs; see `sketchkit.translators.objective`. One that makes
    sense on one side only has `side`, 'generator' or 'discriminator'.
Picture metric: a `PictureMetric` under its short name ('fid'); see `sketchkit.evaluation.metric`.
Line method: built with its options, it draws lines of a grey picture: (B, 1, H, W) in [0, 1] to the same, 0 is ink.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mmengine import registry as roots
from mmengine.registry import Registry
from torch import Tensor

from sketchkit.errors import ConfigError, PluginError
from sketchkit.options import check_options, did_you_mean, explained
from sketchkit.problems import first_few

SCOPE = "sketchkit"
BUILT_IN = "sketchkit_plugins"
FILES = "sketchkit.plugin_files"
# Whose modules register names, and stay imported whoever imports them first.
LIBRARIES = (SCOPE, BUILT_IN, "mmengine", "mmcv", "torch", "torchvision")
# Importing it loads every plugin that can be found.
DISCOVERY = "sketchkit.discovery"


class HeadOutput(NamedTuple):
    """What a discriminator says of a batch of images.

    logits: real/fake logits, (B, 1) or patches (B, 1, h, w); a tuple of them from one that judges at several scales.
    class_logits: (B, K) or None. features: maps in order.
    """

    logits: Tensor | tuple[Tensor, ...]
    class_logits: Tensor | None = None
    features: tuple[Tensor, ...] = ()

    @property
    def scales(self) -> tuple[Tensor, ...]:
        """The logits of every scale; losses take the mean over them."""
        return self.logits if isinstance(self.logits, tuple) else (self.logits,)


def is_own(entry: Any) -> bool:
    """Whether an entry comes with sketchkit or with what it is built on, not from a plugin of somebody else."""
    return _origin(entry) in LIBRARIES


def _origin(entry: Any) -> str:
    """The package that an entry comes from; empty for a plugin file."""
    module = getattr(entry, "__module__", None) or ""
    return "" if module.startswith(f"{FILES}.") else module.partition(".")[0]


# Plugins that failed to load, name -> error: a name that is not found may have been theirs. `sketchkit.loading` writes.
failed_plugins: dict[str, str] = {}


def _look_up(place: Registry | None, key: str, inherits: bool = True) -> Any:
    """The entry of that name in a registry and its parents, or of `scope.Name` in that scope alone; else None.

    Never imported: mmengine's own `get` imports whatever module a name that it does not know could mean, and so would
    run what a config says, which is data.
    """
    scope, _, name = key.rpartition(".")
    while place is not None:
        for registry in (place, *place.children.values()):
            if name in registry.module_dict and (scope == registry.scope or (scope == "" and registry is place)):
                return registry.module_dict[name]
        place = place.parent if inherits else None
    return None


class SketchRegistry(Registry):
    """A child of an mmengine root whose unknown names are answered with the closest known one.

    Args:
        own: the modules with the names that are there from the start; imported at the first look-up, before plugins.
        inherits: whether the names of the parent are found here too.
    """

    def __init__(
        self, name: str, parent: Registry | None = None, own: Sequence[str] = (), inherits: bool = True
    ) -> None:
        super().__init__(name, parent=parent, scope=SCOPE, locations=[*own, DISCOVERY])
        self.inherits = inherits and parent is not None

    def _register_module(self, module: Any, module_name: Any = None, force: bool = False) -> None:
        if _origin(module) not in (SCOPE, BUILT_IN):
            if not is_own(module):
                # The names that are there from the start come first: no plugin may take one.
                self.import_from_location()
            names = [module_name] if isinstance(module_name, str) else module_name or [module.__name__]
            for name in names:
                if is_own(_look_up(self, name, self.inherits)):
                    raise PluginError(
                        f"{name} is already registered in {self.name}, by sketchkit: give it another name"
                    )
        super()._register_module(module, module_name, force)

    def find(self, key: str) -> Any:
        """The entry of that name, here or in the parents; 'scope.Name' is sought in that scope alone. None: no such."""
        self.import_from_location()
        return _look_up(self, key, self.inherits)

    def get(self, key: str) -> type:
        """The entry of that name.

        Raises:
            ConfigError: no such name; says the closest one, and which plugins failed to load.
        """
        found = self.find(key)
        if found is None:
            broken = [f"plugin {name} failed to load ({error})" for name, error in failed_plugins.items()]
            known = did_you_mean(key, self.names())
            raise ConfigError(f"no {self.name} is named '{key}': {first_few([known, *broken], '; ')}")
        return found

    def build(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        """Build what `cfg['type']` names.

        Raises:
            ConfigError: no type or an unknown one, what its constructor refuses, or a `_scope_`, for which mmengine
                would import a package of that name.
        """
        if isinstance(cfg, Mapping) and "_scope_" in cfg:
            raise ConfigError(f"a {self.name} has a _scope_, which would import a package: leave it out")
        kind = cfg.get("type") if isinstance(cfg, Mapping) else None
        if kind is None:
            raise ConfigError(f"a {self.name} needs a type: {did_you_mean('', self.names())}")
        with explained(f"{self.name} {kind}", prefix=False):
            return super().build(cfg, *args, **kwargs)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.find(key) is not None

    def names(self) -> list[str]:
        """Every name that can be built here, sorted."""
        self.import_from_location()
        inherited = self.parent.module_dict if self.inherits else {}
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
        with explained(entry.__name__, prefix=False):
            return entry(*args, **options)


BACKBONES = PluginRegistry("backbone")
HEADS = PluginRegistry("head")
AUGMENTATIONS = PluginRegistry("augmentation")
LOSSES = PluginRegistry("loss")
PICTURE_METRICS = PluginRegistry("metric")
LINE_METHODS = PluginRegistry("line method")
PLUGIN_REGISTRIES = (BACKBONES, HEADS, AUGMENTATIONS, LOSSES, PICTURE_METRICS, LINE_METHODS)


def _child(root: Registry, *own: str) -> SketchRegistry:
    return SketchRegistry(root.name, root, own)


MODELS = _child(roots.MODELS, "mmengine.model", "sketchkit.translators.preprocessing", "sketchkit.translators.lab")
# mmengine's own data sets read pickles, which can run anything: none of them has a name here.
DATASETS = SketchRegistry(roots.DATASETS.name, roots.DATASETS, ("sketchkit.data.datasets",), inherits=False)
DATA_SAMPLERS = _child(roots.DATA_SAMPLERS, "mmengine.dataset", "sketchkit.data.samplers")
TRANSFORMS = _child(roots.TRANSFORMS, *(f"sketchkit.data.transforms.{name}" for name in
                    ("build", "geometry", "hints", "lines", "sketch", "thinning", "zoom")))  # fmt: skip
METRICS = _child(roots.METRICS, "mmengine.evaluator", "sketchkit.evaluation.validation")
HOOKS = _child(roots.HOOKS, "mmengine.hooks", "sketchkit.engine.hooks")
LOOPS = _child(roots.LOOPS, "mmengine.runner", "sketchkit.engine.loop")
OPTIMIZERS = _child(roots.OPTIMIZERS, "mmengine.optim")
OPTIM_WRAPPERS = _child(roots.OPTIM_WRAPPERS, "mmengine.optim", "sketchkit.engine.optimizers")
OPTIM_WRAPPER_CONSTRUCTORS = _child(roots.OPTIM_WRAPPER_CONSTRUCTORS, "mmengine.optim", "sketchkit.engine.optimizers")
PARAM_SCHEDULERS = _child(roots.PARAM_SCHEDULERS, "mmengine.optim")
LOG_PROCESSORS = _child(roots.LOG_PROCESSORS, "mmengine.runner")
VISUALIZERS = _child(roots.VISUALIZERS, "mmengine.visualization")
VISBACKENDS = _child(roots.VISBACKENDS, "mmengine.visualization")
MODEL_WRAPPERS = _child(roots.MODEL_WRAPPERS, "mmengine.model")
EVALUATOR = _child(roots.EVALUATOR, "mmengine.evaluator")
RUNNERS = _child(roots.RUNNERS, "mmengine.runner", "sketchkit.engine.runner")
FUNCTIONS = _child(roots.FUNCTIONS, "mmengine.dataset", "sketchkit.data.base")


def translator_names() -> list[str]:
    """The translators among MODELS, sorted: those that say so."""
    MODELS.import_from_location()
    return sorted(name for name, entry in MODELS.module_dict.items() if getattr(entry, "is_translator", False))


def kinds() -> dict[str, tuple[SketchRegistry, list[str]]]:
    """Everything that a config or an option can name: its kind -> the registry, and the names, sorted."""
    translators = translator_names()
    plugins = {entries.name: (entries, entries.names()) for entries in PLUGIN_REGISTRIES}
    models = {"translator": (MODELS, translators), "model": (MODELS, sorted({*MODELS.names()} - {*translators}))}
    others = {f"mmengine {entries.name}" if entries.name in plugins else entries.name: (entries, entries.names())
              for entries in RUNNER_CHILDREN if entries is not MODELS}  # fmt: skip
    return {**models, **plugins, **others}


RUNNER_CHILDREN = (
    MODELS, DATASETS, DATA_SAMPLERS, TRANSFORMS, METRICS, HOOKS, LOOPS, OPTIMIZERS, OPTIM_WRAPPERS,
    OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS, LOG_PROCESSORS, VISUALIZERS, VISBACKENDS, MODEL_WRAPPERS, EVALUATOR,
    RUNNERS, FUNCTIONS,
)  # fmt: skip


class Registration(NamedTuple):
    """A name in a registry of sketchkit's or mmengine's, and what it means."""

    registry: Registry
    name: str
    entry: Any

    @property
    def key(self) -> tuple[int, str, int]:
        """By which it is told from others; an entry need not be hashable."""
        return id(self.registry), self.name, id(self.entry)

    @property
    def from_library(self) -> bool:
        """Whether sketchkit or mmengine has registered it; of torch's classes, what mmengine's own registries hold."""
        return is_own(self.entry) and (_origin(self.entry) != "torch" or self.registry in ROOTS)


ROOTS = tuple(root for root in vars(roots).values() if isinstance(root, Registry))
for _root in ROOTS:
    # The runner asks mmengine's own registries too; see `_look_up`.
    _root.get = partial(_look_up, _root)


def registrations() -> list[Registration]:
    """Every name in every registry."""
    everywhere = (*PLUGIN_REGISTRIES, *RUNNER_CHILDREN, *ROOTS)
    return [Registration(entries, *item) for entries in everywhere for item in entries.module_dict.items()]


def restore(before: Iterable[Registration]) -> list[Any]:
    """Put every name back to what it meant before, and return what is gone.

    What libraries have registered meanwhile stays, as their modules stay imported.
    """
    kept = list(before)
    known = {one.key for one in kept}
    gone = [one for one in registrations() if one.key not in known and not one.from_library]
    for entries, name, _ in gone:
        del entries.module_dict[name]
    for entries, name, entry in kept:
        entries.module_dict[name] = entry
    return [one.entry for one in gone]
