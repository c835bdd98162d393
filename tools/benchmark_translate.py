"""How fast are pictures translated, and are batches exact? `python tools/benchmark.py start|batches`."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
MOST_OF_TORCH = 1.7
# One preset of every backbone, and of every form of it that is shipped.
PRESETS = (
    "sketchygan_demo", "sketchygan_sketchy", "sketchygan_official_sketchy", "pix2pix_facades", "autopainter_lineart",
    "cyclegan_apple2orange", "cut_apple2orange", "recolor_simple", "recolor_normal", "recolor_complex",
)  # fmt: skip
PICTURES, SIZES = 16, (1, 4, 16)


def cpu_seconds(words: Sequence[str]) -> float:
    """What a command takes of the processor, user and system time of all its threads."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": _python_path()})
    if done.returncode:
        raise click.ClickException(f"{words[1:4]} failed: {done.stderr.strip().splitlines()[-1]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command("start")
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.argument("picture", type=click.Path(path_type=Path, exists=True))
@click.option("--label", help="The class, for a run with classes.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns each; medians count.")
def start(run: Path, picture: Path, label: str | None, rounds: int) -> None:
    """`sketchkit translate` of a picture takes at most 1.7 times the processor time of `import torch`, in turns."""
    with tempfile.TemporaryDirectory() as scratch:
        call = [sys.executable, "-m", "sketchkit", "translate", str(run), str(picture), "--overwrite"]
        call += ["-o", str(Path(scratch) / "out.png"), *(["--label", label] if label else [])]
        turns = [(cpu_seconds([sys.executable, "-c", "import torch"]), cpu_seconds(call)) for _ in range(rounds)]
    torch_seconds, seconds = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = seconds / torch_seconds
    click.echo(f"import torch {torch_seconds:.2f} s, translate {seconds:.2f} s of the processor: {ratio:.2f} times")
    click.echo("passed" if ratio <= MOST_OF_TORCH else f"failed: the goal is {MOST_OF_TORCH:g} times")
    if ratio > MOST_OF_TORCH:
        raise SystemExit(1)


@click.command("batches")
@click.option("--preset", "presets", multiple=True, help="Only this one; may be given again.")
@click.option("--side", type=click.IntRange(min=16), help="Of the pictures; default: each preset's.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Turns each; medians count.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the numbers.")
def batches(presets: Sequence[str], side: int | None, rounds: int, target: Path | None) -> None:
    """Images a second one by one, in batches of 4 and of 16, in turns, and how many bytes then differ."""
    rows = []
    columns = "".join(f"{f'{size} at once':>14}" for size in SIZES)
    click.echo(f"{'preset':<30}{'px':>5}{columns}  bytes that differ")
    for name in presets or PRESETS:
        row = measure(name, side, rounds)
        rows.append(row)
        rates = "".join(f"{row['images_per_second'][size]:>14.2f}" for size in SIZES)
        differ = ", ".join(f"{row['differ'][size]}" for size in SIZES[1:])
        click.echo(f"{row['preset']:<30}{row['side']:>5}{rates}  {differ} of {row['bytes']}")
    if target is not None:
        target.write_text(json.dumps(rows, indent=2) + "\n")


def measure(preset: str, side: int | None, rounds: int) -> dict[str, Any]:
    """A row of `batches`: a preset's network with random weights, which translates random pictures."""
    import torch

    from sketchkit.config.load import load_config
    from sketchkit.registry import BACKBONES
    from sketchkit.translators.protocol import protocol_of

    config = load_config(ROOT / f"configs/{preset}.py", trains=False)
    torch.manual_seed(0)
    network: Any = BACKBONES.build(config.backbone).eval()
    side = side or config.image_size
    batch = {"source": torch.rand(PICTURES, network.in_channels, side, side) * 2 - 1}
    batch["label"] = torch.zeros(PICTURES, dtype=torch.long)
    protocol = protocol_of(config.translator)
    made: dict[int, Any] = {}
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    for turn in range(rounds + 1):
        for size in SIZES:
            began = time.perf_counter()
            made[size] = torch.cat(list(_translated(network, batch, protocol, size)))
            if turn:  # the first one warms up
                seconds[size].append(time.perf_counter() - began)
    return {
        "preset": preset, "side": side, "threads": torch.get_num_threads(), "bytes": made[1].numel(),
        "images_per_second": {size: PICTURES / statistics.median(seconds[size]) for size in SIZES},
        "differ": {size: int((made[size] != made[1]).sum()) for size in SIZES},
    }  # fmt: skip


def _translated(network: Any, batch: dict[str, Any], protocol: Any, size: int) -> Iterator[Any]:
    import torch

    from sketchkit.translators.padding import PaddedGenerator
    from sketchkit.translators.pictures import to_bytes

    with torch.inference_mode():
        for start in range(0, PICTURES, size):
            part = {key: value[start : start + size] for key, value in batch.items()}
            names = [str(number) for number in range(start, min(PICTURES, start + size))]
            image = PaddedGenerator(network, part, protocol).picture_of(names)
            yield to_bytes(image if image.shape[1] in (1, 3) else image[:, :1])


def _python_path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
