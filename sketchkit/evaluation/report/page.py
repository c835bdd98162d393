"""A page that shows what was measured: one HTML file that needs no script, no other file and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from sketchkit.atomic import write_whole
from sketchkit.errors import ConfigError
from sketchkit.evaluation.report.charts import distribution
from sketchkit.evaluation.report.pairs import Pair, ends, text

__all__ = ["Pair", "write_report"]

STYLE = """
:root { color-scheme: light dark; --ground: #f7f7f5; --card: #fff; --ink: #1d1f21; --soft: #5f6570; --line: #dcdedf;
  --bar: #6c99c6; --mean: #8a2209; --warn: #fff3d6; --warn-ink: #5c4300; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --card: #1f2226; --ink: #e7e9eb; --soft: #a0a7b0;
  --line: #363b41; --bar: #437099; --mean: #ffb394; --warn: #3a2f12; --warn-ink: #f5dd9d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 80rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .75rem; }
p, dl, figure { margin: 0; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .5rem .9rem; text-align: left; white-space: nowrap; }
thead th, dt, figcaption, .sides span, .absent, .lead { color: var(--soft); font-weight: normal; font-size: .875rem; }
tbody tr { border-top: 1px solid var(--line); }
.notes { margin: 1rem 0 0; padding: .75rem 1rem .75rem 2rem; border-radius: .5rem; background: var(--warn);
  color: var(--warn-ink); }
.protocol { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .75rem 1.5rem; }
dd { margin: 0; }
.pairs, .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
.lead { margin-bottom: 1rem; }
.pair, .chart { padding: .75rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.sides { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
.sides img { display: block; width: 100%; height: auto; max-height: 24rem; object-fit: contain; border-radius: .25rem; }
.sides .tiny { image-rendering: pixelated; }
.absent { display: grid; place-items: center; min-height: 6rem; border: 1px dashed var(--line); border-radius: .25rem; }
figcaption b { color: var(--ink); font-weight: 600; }
figcaption dl { display: flex; flex-wrap: wrap; gap: 0 1rem; font-variant-numeric: tabular-nums; }
figcaption dl div { display: flex; gap: .35rem; }
.ranks dd { color: var(--ink); font-weight: 600; }
svg { display: block; width: 100%; height: auto; margin-bottom: .5rem; }
svg text { font-size: 11px; fill: var(--soft); }
svg rect { fill: var(--bar); }
svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--soft); }
svg line.mean { stroke: var(--mean); stroke-width: 1.5; stroke-dasharray: 4 3; }
svg text.mean { fill: var(--mean); }
svg .count { text-anchor: end; }
svg .value { text-anchor: middle; }
"""

# The policy forbids the page to fetch or run anything, whatever a name on it may hold.
PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$table
$notes
$protocol
<section id="pairs"><h2>Pairs</h2>
$pairs
</section>
<section id="distributions"><h2>Distributions</h2>
$distributions
</section>
</body>
</html>
""")


def write_report(
    path: Path,
    *,
    title: str,
    rows: Sequence[Mapping[str, str]],
    notes: Sequence[str],
    protocol: Mapping[str, str],
    pairs: Sequence[Pair],
    ranked_by: str | None,
    better: str | None,
    count: int = 8,
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the HTML file, in a folder that exists; one that is there is replaced.
        title: the heading.
        rows: the table, a metric each, one at least: the same columns in the same order; the first names the metric.
        notes: warnings, such as on what the numbers can be compared with.
        protocol: how it was measured, name -> value.
        pairs: all that was measured one by one; the distributions are those of their values.
        ranked_by: the per-sample metric whose ends are shown in pictures; None where there is none.
        better: 'lower' or 'higher', its good end; with None the ends are called lowest and highest.
        count: pairs shown of each end; where there are fewer than twice as many, none is shown twice.

    Raises:
        ConfigError: `count` is less than 1.
        UnreadableImage: a picture to be shown cannot be read.
        OSError: the file cannot be written.
    """
    if count < 1:
        raise ConfigError(f"count={count} pairs of each end cannot be shown: give 1 or more")
    page = PAGE.substitute(
        title=text(title),
        style=STYLE,
        table=_table(rows),
        notes=_notes(notes),
        protocol=_protocol(protocol),
        pairs=ends(pairs, ranked_by, better, count),
        distributions=_distributions(pairs, [next(iter(row.values())) for row in rows]),
    )
    write_whole(path, page)


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in rows[0])
    body = "".join(f"<tr>{_cells(list(row.values()))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(values: Sequence[str]) -> str:
    rest = "".join(f"<td>{text(value)}</td>" for value in values[1:])
    return f'<th scope="row">{text(values[0])}</th>{rest}'


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{text(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _protocol(protocol: Mapping[str, str]) -> str:
    items = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in protocol.items())
    return f'<section><h2>Protocol</h2><dl class="protocol">{items}</dl></section>' if items else ""


def _distributions(pairs: Sequence[Pair], measured: Sequence[str]) -> str:
    """A chart for each metric that any pair has a value of, and a sentence on the others."""
    metrics = list(dict.fromkeys(metric for pair in pairs for metric in pair.values))
    whole = [name for name in measured if name not in metrics]
    verb, only = ("belongs", "it has") if len(whole) == 1 else ("belong", "they have")
    sentence = f'<p class="lead">{text(", ".join(whole))} {verb} to whole sets: {only} no distribution.</p>'
    charts = "".join(distribution(name, [p.values[name] for p in pairs if name in p.values]) for name in metrics)
    return (sentence if whole else "") + (f'<div class="charts">{charts}</div>' if charts else "")
