"""The pairs at the two ends of a metric, in pictures that are part of the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from sketchkit.data.image_io import read_image

# A thumbnail's longer side, in pixels.
LONGEST = 256
# A picture smaller than this is shown pixel by pixel, and kept without loss.
TINY = 96
QUALITY = 88


@dataclass(frozen=True)
class Pair:
    """One measured pair, source or single output.

    Attributes:
        name: what it is called on the page.
        real, fake: the files; `real` is None where an output has no counterpart.
        values: per-sample metric -> value; may lack some, and hold inf or nan.
    """

    name: str
    real: Path | None
    fake: Path
    values: Mapping[str, float]


def ends(
    pairs: Sequence[Pair],
    ranked_by: str | None,
    better: str | None,
    count: int,
) -> str:
    """The best and the worst pairs as HTML, or a sentence that says why there are none.

    Args:
        pairs: all that was measured; those without a value of `ranked_by`, or with nan, are counted but not shown.
        ranked_by: the metric; None where none sees single pairs.
        better: 'lower' or 'higher'; with None the ends are the lowest and the highest.
        count: pairs of each end, at most; where there are fewer than twice as many, the first end has the odd one.

    Raises:
        UnreadableImage: a picture cannot be read.
    """
    if ranked_by is None:
        return "<p>No pairs are shown: no metric of single pairs was measured, such as lpips or l1.</p>"
    ranked = [pair for pair in pairs if not math.isnan(pair.values.get(ranked_by, math.nan))]
    if not ranked:
        return f"<p>No pairs are shown: none has a value of {text(ranked_by)}.</p>"
    ranked.sort(key=lambda pair: pair.values[ranked_by], reverse=better == "higher")
    first = ranked[: min(count, math.ceil(len(ranked) / 2))]
    last = ranked[: len(first) - 1 : -1][:count]
    names = ("Lowest", "Highest") if better is None else ("Best", "Worst")
    shown = "".join(_end(name, part, ranked_by) for name, part in zip(names, (first, last), strict=True) if part)
    return f"<p>{_order(ranked_by, better, len(ranked), len(pairs))}</p>{shown}"


def text(words: str) -> str:
    """Escaped for HTML; what is no UTF-8 in a file's name is written as its code."""
    return escape(words.encode("utf-8", "backslashreplace").decode())


def thumbnail(path: Path) -> tuple[Image.Image, str]:
    """The picture, at most 256 pixels on its longer side, and its data URI: PNG below 96 pixels, JPEG otherwise.

    Raises:
        UnreadableImage: it cannot be read.
    """
    picture = Image.fromarray(read_image(path))
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    kind = "png" if max(picture.size) < TINY else "jpeg"
    # Colour at full resolution: thin coloured strokes would bleed. PNG has neither option, and ignores them.
    picture.save(data, kind, quality=QUALITY, subsampling=0)
    return picture, f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def _order(ranked_by: str, better: str | None, ranked: int, total: int) -> str:
    good = "" if better is None else f" ({better} is better)"
    rest = ": the rest has no value of it" if ranked < total else ""
    return f"Ranked by {text(ranked_by)}{good}, {ranked} of {total}{rest}."


def _end(name: str, part: Sequence[Pair], ranked_by: str) -> str:
    figures = "".join(_figure(pair, ranked_by) for pair in part)
    return f'<h3>{name} {len(part)}</h3><div class="pairs">{figures}</div>'


def _figure(pair: Pair, ranked_by: str) -> str:
    sides = _side("real", pair.real, pair.name) + _side("fake", pair.fake, pair.name)
    values = "".join(_value(metric, value, metric == ranked_by) for metric, value in pair.values.items())
    caption = f"<figcaption><b>{text(pair.name)}</b><dl>{values}</dl></figcaption>"
    return f'<figure class="pair"><div class="sides">{sides}</div>{caption}</figure>'


def _side(role: str, path: Path | None, name: str) -> str:
    if path is None:
        return f'<div class="absent">no {role} picture</div>'
    picture, uri = thumbnail(path)
    tiny = ' class="tiny"' if max(picture.size) < TINY else ""
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<div><img{tiny} src="{uri}" {size} alt="{role}: {text(name)}"><span>{role}</span></div>'


def _value(metric: str, value: float, ranks: bool) -> str:
    emphasis = ' class="ranks"' if ranks else ""
    return f"<div{emphasis}><dt>{text(metric)}</dt><dd>{value:.4g}</dd></div>"
