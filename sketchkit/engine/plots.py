"""Pictures of a run: sample grids and curves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image
from torchvision.utils import make_grid

from sketchkit.atomic import whole
from sketchkit.engine.scores import VAL

GAP = 2
BETWEEN = 12  # between tables side by side
CAPTION = 14
COLUMN = 80


def draw_grid(columns: Mapping[str, Tensor], path: Path, blocks: int = 2) -> None:
    """Save a picture with a row a sample and a captioned column a kind, `blocks` such tables side by side.

    Args:
        columns: caption -> (B,C,H,W) in [-1, 1]; one channel is shown grey.
    """
    images = [_as_color(image) for image in columns.values()]
    count = len(images[0])
    blocks = min(blocks, count)
    rows = -(-count // blocks)
    tables = [_table([image[first : first + rows] for image in images]) for first in range(0, count, rows)]
    width = tables[0].width + BETWEEN
    page = Image.new("RGB", (len(tables) * width - BETWEEN, tables[0].height + CAPTION), "white")
    step = images[0].shape[-1] + GAP
    for block, table in enumerate(tables):
        page.paste(table, (block * width, CAPTION))
        for i, caption in enumerate(columns):
            ImageDraw.Draw(page).text((block * width + i * step + GAP, 1), caption, fill="black")
    _save(page, path)


def _save(page: Image.Image, path: Path) -> None:
    """As PNG, whole or not at all."""
    with whole(path) as temporary:
        page.save(temporary, format="PNG")


def _table(images: Sequence[Tensor]) -> Image.Image:
    """A row a sample and a column a kind."""
    tiles = [image[row] for row in range(len(images[0])) for image in images]
    grid = make_grid(torch.stack(tiles), nrow=len(images), padding=GAP, pad_value=1.0)
    return to_pil_image(grid.mul(255).round().byte())


def draw_columns(columns: Sequence[tuple[str, Tensor]], path: Path) -> None:
    """Save a picture with a row a sample and a column a kind, under its whole caption, wrapped to the column's width.

    A column is as wide as its pictures, but at least `COLUMN` pixels.

    Args:
        columns: captions, and (B,C,H,W) in [-1, 1] of one B, H and W; one channel is shown grey.
    """
    images = [_as_color(image).mul(255).round().byte() for _, image in columns]
    count, _, height, width = images[0].shape
    step = max(width, COLUMN) + GAP
    font = ImageFont.load_default()
    captions = [[*_wrapped(caption, step - 4 * GAP, font)] for caption, _ in columns]
    top = max(map(len, captions)) * CAPTION + GAP
    page = Image.new("RGB", (GAP + step * len(columns), top + (height + GAP) * count), "white")
    pen = ImageDraw.Draw(page)
    for i, (lines, column) in enumerate(zip(captions, images, strict=True)):
        for j, line in enumerate(lines):
            pen.text((GAP + i * step, 1 + j * CAPTION), line, fill="black", font=font)
        for j, image in enumerate(column):
            page.paste(to_pil_image(image), (GAP + i * step, top + j * (height + GAP)))
    _save(page, path)


def draw_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Save one panel for each side's losses, the discriminator's accuracies, and what was held out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = {title: names for title, names in _panels(rows).items() if names}
    if not panels:
        return
    figure, axes = plt.subplots(len(panels), 1, figsize=(9, 2.6 * len(panels)), squeeze=False, layout="constrained")
    for axis, (title, names) in zip(axes[:, 0], panels.items(), strict=True):
        for name in names:
            points = [(row["iter"], row[name]) for row in rows if name in row]
            axis.plot(*zip(*points, strict=True), label=name.rpartition("/")[2], linewidth=1, marker=".", markersize=3)
        axis.set_title(title, fontsize=9)
        axis.legend(fontsize=7, ncols=4)
        axis.grid(alpha=0.3)
    axes[-1, 0].set_xlabel("iteration")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panels(rows: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for row in rows for name in row)
    accuracies = [name for name in names if name.startswith("D/") and name.endswith("accuracy")]
    totals = [name for name in names if name.partition("/")[2].startswith("total")]
    return {
        "generator losses, unweighted": [name for name in names if name.startswith("G/") and name not in totals],
        "discriminator losses, unweighted": [
            name for name in names if name.startswith("D/") and name not in [*accuracies, *totals]
        ],
        "objectives": totals,
        "discriminator accuracy": accuracies,
        "held out": [name for name in names if name.startswith(VAL)],
    }


def _wrapped(text: str, width: int, font: Any) -> Iterator[str]:
    """Lines of at most `width` pixels: broken behind a word's end where possible, else between two letters."""
    for paragraph in text.split("\n"):
        line = ""
        for word in re.split(r"(?<=[=,_ ])|(?<=\.)(?=[A-Za-z])", paragraph):
            if font.getlength(line + word) > width and line:
                yield line
                line = ""
            for letter in word:
                if font.getlength(line + letter) > width:
                    yield line
                    line = ""
                line += letter
        yield line


def _as_color(image: Tensor) -> Tensor:
    image = image.detach().float().cpu().add(1).div(2).clamp(0, 1)
    return image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image[:, :3]
