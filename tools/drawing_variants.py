"""Do drawings of other kinds come out as the training's do? `python tools/drawing_variants.py RUN SKETCHES -o DIR`.

Each drawing is translated clean, and in eight variants (`tests/data/drawing_variants.py`), with their lines as they are
and brought to the look of the training's. The table says how far outputs are from that of the clean drawing; the grid
shows them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch

# A bare checkout works without being installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sketchkit import cli
from sketchkit.data.drawings import DrawingProfile
from sketchkit.data.image_io import read_image, write_image
from sketchkit.data.listing import pictures_in
from sketchkit.errors import DataError
from sketchkit.evaluation.metric import Setup
from sketchkit.inference import Request, Source, TrainedTranslator
from sketchkit.registry import PICTURE_METRICS
from tests.data.drawing_variants import FITTED, variants

CELL = 64
Row = list[tuple[np.ndarray, np.ndarray]]


def half(path: Path, side: str) -> np.ndarray:
    """The picture, or its left or right half."""
    picture = read_image(path)
    middle = picture.shape[1] // 2
    return {"whole": picture, "left": picture[:, :middle], "right": picture[:, -middle:]}[side]


def spread(files: list[Path], count: int) -> list[Path]:
    """So many of the files, evenly."""
    return [files[round(i)] for i in np.linspace(0, len(files) - 1, min(count, len(files)))]


def rows_of(translator: TrainedTranslator, files: list[Path], side: str) -> Iterator[tuple[Row, Row]]:
    """For each drawing (seen, made) of the clean one and its variants: as they are, and read."""

    def made(pixels: np.ndarray, label: str | None, request: Request) -> tuple[np.ndarray, np.ndarray]:
        prepared = translator.prepare(Source(pixels, label), request)
        (translation,) = translator.paint([prepared], request)
        return prepared.pixels.permute(1, 2, 0).numpy(), translation.pictures[0]

    for number, file in enumerate(files):
        clean = half(file, side)
        label = file.parent.name if translator.draws_classes else None
        kinds = {"clean": clean, **variants(clean, look_of(translator).pen, number)}
        yield (
            [made(kind, label, Request(lines="as-is")) for kind in kinds.values()],
            [made(kind, label, Request(fit=name == FITTED)) for name, kind in kinds.items()],
        )


def look_of(translator: TrainedTranslator) -> DrawingProfile:
    """What the drawings of the run's training look like."""
    if translator.reader.drawings is None:
        raise DataError(f"{translator.path} was not trained on drawings: name a run that was")
    return translator.reader.drawings


def distances(row: Row, clean: np.ndarray, lpips: Any) -> np.ndarray:
    """(variants, 2): LPIPS and mean L1 of each output from that of the clean drawing."""
    planes = [torch.from_numpy(made).permute(2, 0, 1) for _, made in row]
    first = torch.from_numpy(clean).permute(2, 0, 1)
    far = lpips.extract(torch.stack([lpips.prepare(first, other) for other in planes]))[:, 0].cpu().numpy()
    l1 = [np.abs(made.astype(float) - clean).mean() / 255 for _, made in row]
    return np.stack([far, l1], 1)


def shown(row: Row) -> np.ndarray:
    """A line of drawings over a line of outputs."""
    lines = [[cv2.resize(pair[i], (CELL, CELL), interpolation=cv2.INTER_AREA) for pair in row] for i in (0, 1)]
    return np.vstack([np.hstack(line) for line in lines])


def table(names: list[str], before: np.ndarray, after: np.ndarray) -> str:
    """Markdown, a line a variant."""
    lines = ["| variant | LPIPS as-is | read | L1 as-is | read |", "|---|---|---|---|---|"]
    for name, (lpips, l1), (read_lpips, read_l1) in zip(names, before, after, strict=True):
        lines.append(f"| {name} | {lpips:.3f} | {read_lpips:.3f} | {l1:.3f} | {read_l1:.3f} |")
    return "\n".join(lines)


@click.command(help=__doc__)
@click.argument("run", metavar="RUN", type=click.Path(exists=True))
@click.argument("sketches", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for grid.png and table.md."
)
@click.option("--side", type=click.Choice(["whole", "left", "right"]), default="whole", help="Where the drawing is.")
@click.option("--count", type=click.IntRange(1), default=20, help="Drawings.", show_default=True)
@click.option("--net", default="squeeze", help="Of LPIPS.", show_default=True)
@click.option("--weights", nargs=2, multiple=True, help="NETWORK FILE of that net.")
def main(run: str, sketches: Path, output: Path, **options: Any) -> None:
    """See the module."""
    translator, files = TrainedTranslator(run), spread(pictures_in(sketches), options["count"])
    pen = look_of(translator).pen
    lpips = PICTURE_METRICS.get("lpips")(Setup(weights=dict(options["weights"])), options["net"]).extractor
    grid, before, after = [], [], []
    for as_is, read in rows_of(translator, files, options["side"]):
        clean = as_is[0][1]
        grid += [shown(as_is), shown(read)]
        before.append(distances(as_is, clean, lpips))
        after.append(distances(read, clean, lpips))
    output.mkdir(parents=True, exist_ok=True)
    write_image(output / "grid.png", np.vstack(grid))
    names = ["clean", *variants(half(files[0], options["side"]), pen)]
    text = table(names, np.mean(before, 0), np.mean(after, 0))
    (output / "table.md").write_text(text + "\n")
    click.echo(text)


if __name__ == "__main__":
    cli.run(main, None, "drawing_variants.py")
