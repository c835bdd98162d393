"""What sketchkit offers to Python, in a function each; `sketchkit.load` and the others are these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sketchkit.config.names import DEFAULT_PRESET, config_names, preset_file
from sketchkit.errors import ConfigError
from sketchkit.forms import FORMS, Picture, as_rgb, given_as, hint_of, straight_of
from sketchkit.options import check_options, did_you_mean, one_of, whole_number

if TYPE_CHECKING:
    from PIL import Image


class Translate:
    """A trained run to call with pictures, from several threads if need be; see `load`.

    Attributes:
        translator: what it calls: `protocol`, the config and the networks are there.
    """

    def __init__(self, run: str | Path, device: str | None = None, **options: Any) -> None:
        from sketchkit.inference import TrainedTranslator

        self.translator = TrainedTranslator(run, device, **options)

    @property
    def classes(self) -> list[str]:
        """The classes that it draws, in order; none where it is told no class."""
        return list(self.translator.classes) if self.translator.draws_classes else []

    @property
    def takes_noise(self) -> bool:
        """Whether a picture has another translation for each `seed`."""
        return self.translator.varies

    @property
    def directions(self) -> tuple[str, ...]:
        """'AtoB', and 'BtoA' where it learnt both ways."""
        return self.translator.directions

    def __call__(
        self,
        picture: Picture | Sequence[Picture],
        *,
        label: str | Sequence[str] | None = None,
        hint: Picture | None = None,
        value_range: tuple[float, float] | None = None,
        as_: str = "pil",
        batch_size: int = 1,
        **request: Any,
    ) -> Any:
        """Translate a picture, or each of a list.

        Args:
            picture: a file's path, a PIL image, an array (H, W) grey or (H, W, 3) RGB, or a tensor (C, H, W) of one
                channel or three. uint8 is 0 to 255; others need a `value_range`.
            label: the class, for a run that draws classes; of a list also a list.
            hint: color strokes of the picture's size, as a path, a PIL image in RGBA or an array (H, W, 4) uint8.
            value_range: what black and white are in arrays and tensors that are not uint8, such as (0, 1).
            as_: 'pil', 'array' for (H, W, 3) uint8, or 'tensor' for (3, H, W) uint8.
            batch_size: pictures of a list that are computed together where they are of one size.
            request: `direction`, `size`, `samples`, `seed`, `lines`, `fit`, `detail`, `tile`, `insist`; see
                `sketchkit.inference.Request`.

        Returns:
            An image in RGB of the picture's size; with `samples` above 1 a list of them; for a list a list of these.

        Raises:
            DataError: a file cannot be read, an array is of another form, or has no range.
            ConfigError: what the run cannot do; see `TrainedTranslator`.
        """
        from sketchkit.inference import Request, Source

        check_options(Request, request)
        asked = Request(**request)
        one_of("as_", as_, FORMS)
        whole_number("batch_size", batch_size, 1)
        pictures = picture if isinstance(picture, list | tuple) else [picture]
        labels = label if isinstance(label, list | tuple) else [label] * len(pictures)
        if len(labels) != len(pictures):
            raise ConfigError(f"{len(labels)} labels for {len(pictures)} pictures: give one a picture, or one for all")
        strokes = None if hint is None else hint_of(hint)
        made = []
        for start in range(0, len(pictures), batch_size):
            part = slice(start, start + batch_size)
            sources = [Source(straight_of(one, value_range), name, strokes)
                       for one, name in zip(pictures[part], labels[part], strict=True)]  # fmt: skip
            prepared = [self.translator.prepare(source, asked) for source in sources]
            made += [[given_as(one, as_) for one in done.pictures] for done in self.translator.paint(prepared, asked)]
        results = made if asked.samples > 1 else [images[0] for images in made]
        return results if isinstance(picture, list | tuple) else results[0]


def load(
    run: str | Path,
    device: str | None = None,
    plugin_files: Sequence[str | Path] = (),
    trust_code: bool = False,
    test_norm: str | None = None,
    test_dropout: bool | None = None,
) -> Translate:
    """A trained run as a function of pictures, which may be called from several threads.

    Args:
        run: a run folder, of which the latest checkpoint is taken, or a checkpoint.
        device: where to compute; default: a GPU when there is one.
        plugin_files: Python files that register plugins; one replaces the run's own of the same name.
        trust_code: whether plugin code of the run may run that was not trained with here; see docs/security.md.
        test_norm, test_dropout: 'running' or 'batch', and whether dropout drops; default: as the run's config says.

    Raises:
        ConfigError: the run cannot be translated with as asked.
        CheckpointError: there is none, or it is damaged, unsafe or of another architecture.
        PluginError: the run's plugin code may not run, is gone, or fails.

    Example:
        >>> translate = sketchkit.load("runs/pix2pix_facades")
        >>> translate("labels.png").save("facade.png")
    """
    code = {"plugin_files": plugin_files, "trust_code": trust_code}
    return Translate(run, device, **code, test_norm=test_norm, test_dropout=test_dropout)


def train(
    config: str | Path,
    options: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    resume: bool | str = False,
    plugin_files: Sequence[str | Path] = (),
    trust_code: bool = False,
) -> Path:
    """Train what a config describes; returns the run folder.

    Args:
        config: a config's file, or the bare name of one that comes with sketchkit.
        options: keys of the config -> values, such as {"data_root": "data", "train_cfg.max_iters": 1000}.
        work_dir, resume: see `sketchkit.engine.train.train`.
        plugin_files, trust_code: see `load_config`.

    Raises:
        SketchkitError: see `load_config` and `sketchkit.engine.train.train`.

    Example:
        >>> sketchkit.train("pix2pix_facades", {"data_root": "data/facades"})
        PosixPath('runs/pix2pix_facades')
    """
    from sketchkit.config.load import load_config
    from sketchkit.engine import train as engine

    return engine.train(load_config(config, _changes(options), plugin_files, trust_code), work_dir, resume)


def evaluate(
    real: str | Path,
    fake: str | Path | None = None,
    metrics: Sequence[str | Mapping[str, Any]] = (),
    plugin_files: Sequence[str | Path] = (),
    trust_code: bool = False,
    test_norm: str | None = None,
    test_dropout: bool | None = None,
    **setup: Any,
) -> dict[str, float]:
    """Measure the pictures in `fake` against those in `real`, or with `real` alone a trained run.

    Args:
        real, fake: folders, or text files with a path a line; or a run folder, or a checkpoint.
        metrics: names, or dict(type=NAME, ...); default: those whose weights are at hand.
        plugin_files: Python files that register plugins, such as metrics.
        trust_code: whether plugin code of the run may run that was not trained with here.
        test_norm, test_dropout: how a run translates; see `load`.
        setup: `device` (default: a GPU when there is one), `weights`, `seed`; see `Setup`.

    Returns:
        name -> value; `sketchkit eval` gives everything that a number depends on as well.

    Raises:
        SketchkitError: see `EvaluationCall`.

    Example:
        >>> sketchkit.evaluate("real", "fake", metrics=["l1", "ssim"])
        {'l1': 0.0, 'ssim': 1.0}
    """
    from mmengine.device import get_device

    from sketchkit.evaluation.evaluate import EvaluationCall
    from sketchkit.evaluation.metric import Setup
    from sketchkit.inference.loading import usable_device
    from sketchkit.loading import load_file

    for file in plugin_files:
        load_file(file)
    device = usable_device(setup.pop("device", None) or get_device())
    call = EvaluationCall(Setup(str(device), **setup), metrics=metrics)
    protocol: dict[str, Any] = {"test_norm": test_norm, "test_dropout": test_dropout}
    if fake is None:
        outcome = call.run(Path(real), plugin_files=plugin_files, trust_code=trust_code, **protocol)
    elif given := [name for name, value in protocol.items() if value is not None]:
        raise ConfigError(f"{given[0]} is for runs, and two sets of pictures are given")
    else:
        outcome = call.folders(Path(real), Path(fake))
    return {name: metric["value"] for name, metric in outcome.result["metrics"].items()}


def stylize(
    content: Picture,
    *styles: Picture,
    preset: str = DEFAULT_PRESET,
    size: int = 512,
    style_weights: Sequence[float] | None = None,
    seed: int = 0,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Image.Image:
    """Paint a picture in the style of others; `sketchkit stylize` does the same.

    Args:
        content, styles: paths, PIL images or uint8 arrays, as `Translate` takes them.
        preset: network and losses; those of `sketchkit stylize --preset`.
        size: the longer side at most, in pixels; 0 keeps the content's size.
        style_weights: a share for each style; default: equal ones.
        seed: of what is drawn at random.
        device: where to compute; default: a GPU when there is one.
        options: keys of the preset's config -> values, such as {"translator.iterations": 50}.

    Raises:
        ConfigError: no style, or see `sketchkit.inference.painting.paint`.
        DataError: a picture cannot be read, or is too small for the network.
        WeightsError: the network's weights cannot be had.

    Example:
        >>> sketchkit.stylize("photo.png", "painting.png").save("stylized.png")
    """
    from sketchkit.config.load import load_config
    from sketchkit.data.pixels import on_white, transparency, with_alpha
    from sketchkit.inference.painting import paint, pixels_of

    if not styles:
        raise ConfigError("stylize takes a content picture and one style or more")
    settings = load_config(preset_file(preset), _changes(options))
    straight, others = straight_of(content), [as_rgb(picture) for picture in styles]
    for stroke in paint(settings, on_white(straight), others, size, style_weights, seed, device=device):
        last = stroke
    return given_as(with_alpha(pixels_of(last), transparency(straight)), "pil")


def build(name: str, **options: Any) -> Any:
    """A backbone, head, augmentation, loss, metric, line method or translator by its name.

    Raises:
        ConfigError: nothing has that name, or it has no such option; names the closest.

    Example:
        >>> network = sketchkit.build("UNetGenerator", num_downs=7)
        >>> network.size_multiple
        128
    """
    from sketchkit import registry

    entries = (*registry.PLUGIN_REGISTRIES, registry.MODELS)
    for one in entries:
        if one.find(name) is not None:
            return one.build({"type": name, **options})
    known = {known for one in registry.PLUGIN_REGISTRIES for known in one.names()}.union(registry.translator_names())
    raise ConfigError(f"nothing is named '{name}': {did_you_mean(name, known)}")


def configs() -> list[str]:
    """The names of the configs that come with sketchkit.

    Example:
        >>> "pix2pix_facades" in sketchkit.configs()
        True
    """
    return config_names()


def _changes(options: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return [(key, _plain(value)) for key, value in (options or {}).items()]


def _plain(value: Any) -> Any:
    """As configs have it, also within lists and dicts: paths as text, numpy's numbers and arrays as Python's."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
