"""The report page, read as a browser's parser reads it."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sketchkit.data.image_io import UnreadableImage, write_image
from sketchkit.errors import ConfigError
from sketchkit.evaluation.report.charts import distribution, histogram, ticks
from sketchkit.evaluation.report.page import Pair, write_report

VOID = {"meta", "img"}
ROWS = [
    {"metric": "fid", "value": "41.2", "better": "lower"},
    {"metric": "kid", "value": "0.004", "better": "lower"},
    {"metric": "lpips", "value": "0.3", "better": "lower"},
]


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str, kind: str | None = None) -> list[Element]:
        return [e for e in self.walk() if e.tag == tag and kind in (None, *(e.attributes.get("class") or "").split())]

    def walk(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def number(self, attribute: str) -> float:
        return float(self.attributes[attribute] or "")


class Tree(HTMLParser):
    """Strict: every element but the void ones is closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack = [Element("", {})]
        self.feed(page)
        self.close()
        assert len(self.stack) == 1, f"<{self.stack[-1].tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.stack[-1].children.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def parse(page: str) -> Element:
    return Tree(page).stack[0]


def draw(path: Path, width: int = 20, height: int = 16) -> Path:
    write_image(path, np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))
    return path


@pytest.fixture
def report(tmp_path: Path):
    """`report(values, ...)`: the parsed page of pairs 'p0', 'p1', ... with these values."""
    picture = draw(tmp_path / "picture.png")

    def write(values: Sequence[Mapping[str, float]] = (), **options) -> Element:
        pairs = [Pair(f"p{i}", picture, picture, value) for i, value in enumerate(values)]
        settings = dict(title="Run", rows=ROWS, notes=[], protocol={}, pairs=pairs, ranked_by="lpips", better="lower")
        write_report(tmp_path / "out.html", **{**settings, **options})
        return parse((tmp_path / "out.html").read_text(encoding="utf-8"))

    return write


def shown(page: Element) -> dict[str, list[str]]:
    """Heading -> the names below it, in order."""
    (section,) = (s for s in page.all("section") if s.attributes.get("id") == "pairs")
    headings = [heading.text for heading in section.all("h3")]
    names = [[figure.all("b")[0].text for figure in grid.all("figure")] for grid in section.all("div", "pairs")]
    return dict(zip(headings, names, strict=True))


def lpips(*values: float) -> list[dict[str, float]]:
    return [{"lpips": value} for value in values]


def test_the_table_the_notes_and_the_protocol(report) -> None:
    page = report(notes=["KID is <better> here"], protocol={"resize": "tf", "n": "20 & 20"})
    assert [cell.text for cell in page.all("thead")[0].all("th")] == ["metric", "value", "better"]
    rows = [[c.text for c in row.walk() if c.tag in ("th", "td")] for row in page.all("tbody")[0].all("tr")]
    assert rows == [list(row.values()) for row in ROWS]
    assert [note.text for note in page.all("li")] == ["KID is <better> here"]
    assert [(e.tag, e.text) for e in page.all("dl", "protocol")[0].walk() if e.tag in ("dt", "dd")] == [
        ("dt", "resize"), ("dd", "tf"), ("dt", "n"), ("dd", "20 & 20"),
    ]  # fmt: skip
    assert page.all("title")[0].text == page.all("h1")[0].text == "Run"


def test_a_page_without_notes_has_no_list_of_them(report) -> None:
    page = report()
    assert not page.all("ul") and not page.all("dl")


@pytest.mark.parametrize(
    ("better", "expected"),
    [
        ("lower", {"Best 2": ["p1", "p3"], "Worst 2": ["p2", "p0"]}),
        ("higher", {"Best 2": ["p2", "p0"], "Worst 2": ["p1", "p3"]}),
        (None, {"Lowest 2": ["p1", "p3"], "Highest 2": ["p2", "p0"]}),
    ],
)
def test_the_order_of_the_ends(report, better, expected) -> None:
    page = report(lpips(0.6, 0.1, math.inf, 0.2, 0.3), better=better, count=2)
    assert shown(page) == expected


@pytest.mark.parametrize(("n", "first", "last"), [(1, 1, 0), (2, 1, 1), (5, 3, 2), (6, 3, 3), (9, 3, 3)])
def test_no_pair_is_shown_twice(report, n: int, first: int, last: int) -> None:
    ends = shown(report(lpips(*np.linspace(0, 1, n)), count=3))
    assert [len(names) for names in ends.values()] == [size for size in (first, last) if size]
    assert next(iter(ends.values())) == [f"p{i}" for i in range(first)]
    if last:
        assert list(ends.values())[1] == [f"p{n - 1 - i}" for i in range(last)]


def test_pairs_without_a_number_are_not_ranked(report) -> None:
    page = report([{"lpips": 0.2}, {"l1": 0.5}, {"lpips": math.nan}, {"lpips": 0.1, "l1": 0.25}])
    assert shown(page) == {"Best 1": ["p3"], "Worst 1": ["p0"]}
    assert "Ranked by lpips (lower is better), 2 of 4: the rest has no value of it." in page.text
    values = [(d.all("dt")[0].text, d.all("dd")[0].text) for d in page.all("figcaption")[0].all("div")]
    assert values == [("lpips", "0.1"), ("l1", "0.25")]
    assert [div.text for div in page.all("div", "ranks")] == ["lpips0.1", "lpips0.2"]


@pytest.mark.parametrize(
    ("ranked_by", "values", "said"),
    [
        (None, [], "no metric of single pairs was measured"),
        ("lpips", [], "none has a value of lpips"),
        ("lpips", [{"l1": 0.5}, {"lpips": math.nan}], "none has a value of lpips"),
    ],
)
def test_the_page_says_why_there_are_no_pairs(report, ranked_by, values, said) -> None:
    page = report(values, ranked_by=ranked_by)
    assert said in page.text and not page.all("img") and shown(page) == {}


def test_metrics_of_whole_sets_have_no_distribution(report) -> None:
    assert "fid, kid belong to whole sets: they have no distribution." in report(lpips(0.1, 0.2)).text
    assert "fid belongs to whole sets: it has no distribution." in report(rows=ROWS[:1]).text
    assert "whole sets" not in report(lpips(0.1, 0.2), rows=ROWS[2:]).text
    assert len(report(lpips(0.1, 0.2)).all("svg")) == 1


def decoded(image: Element) -> Image.Image:
    kind, _, data = (image.attributes["src"] or "").partition(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert kind == f"data:image/{(picture.format or '').lower()}"
    assert (image.number("width"), image.number("height")) == picture.size
    picture.load()
    return picture


def test_pictures_are_on_the_page_and_bounded(tmp_path: Path, report) -> None:
    sizes = {(600, 300): (256, 128), (100, 500): (51, 256), (96, 40): (96, 40), (95, 40): (95, 40), (3, 1): (3, 1)}
    for (width, height), expected in sizes.items():
        file = draw(tmp_path / f"{width}.png", width, height)
        page = report(pairs=[Pair("one", file, file, {"lpips": 0.5})])
        real, fake = page.all("img")
        assert decoded(real).size == decoded(fake).size == expected
        tiny = max(expected) < 96
        assert real.attributes.get("class") == ("tiny" if tiny else None)
        if tiny:
            np.testing.assert_array_equal(np.asarray(decoded(fake)), np.asarray(Image.open(file)))
        assert real.attributes["alt"] == "real: one" and fake.attributes["alt"] == "fake: one"


def test_a_thumbnail_looks_like_its_picture(tmp_path: Path, report) -> None:
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    pixels = np.stack(np.broadcast_arrays(ramp, ramp[:300, None], np.uint8(60)), -1)
    write_image(tmp_path / "ramp.png", pixels)
    page = report(pairs=[Pair("ramp", None, tmp_path / "ramp.png", {"lpips": 0.5})])
    seen = np.asarray(decoded(page.all("img")[0]), np.float64)
    assert seen.shape == (192, 256, 3)
    places = np.round(np.linspace(0.5, 255.5, 256) * 400 / 256 - 0.5).astype(int)
    expected = pixels[np.ix_(places[:192], places)]
    assert np.abs(seen - expected).mean() < 2


def test_an_output_without_a_counterpart(tmp_path: Path, report) -> None:
    page = report(pairs=[Pair("alone", None, draw(tmp_path / "alone.png"), {"lpips": 0.5})])
    assert [image.attributes["alt"] for image in page.all("img")] == ["fake: alone"]
    assert page.all("div", "absent")[0].text == "no real picture"


def test_names_are_escaped(tmp_path: Path, report) -> None:
    evil = '<script>alert("1")</script> & \'x\' onload="y" $title'
    picture = draw(tmp_path / "picture.png")
    page = report(
        pairs=[Pair(evil, picture, picture, {"lpips": 0.5, evil: 1.0})],
        title=evil, rows=[{evil: evil, "value": evil}], notes=[evil], protocol={evil: evil},
    )  # fmt: skip
    assert not page.all("script") and not any("onload" in element.attributes for element in page.walk())
    assert page.all("h1")[0].text == page.all("li")[0].text == page.all("th")[0].text == evil
    assert [b.text for b in page.all("b")] == [evil, "lpips", evil]
    assert page.all("img")[0].attributes["alt"] == f"real: {evil}"
    assert page.all("svg")[1].attributes["aria-label"] == f"Histogram of {evil}: one value, 1."


def test_a_name_that_is_no_utf8(tmp_path: Path, report) -> None:
    picture = draw(tmp_path / "picture.png")
    page = report(pairs=[Pair("caf\udce9", picture, picture, {"lpips": 0.5})])
    assert page.all("b")[0].text == r"caf\udce9"


def test_the_page_needs_nothing_else(tmp_path: Path, report) -> None:
    page = report(lpips(0.1, 0.2, 0.5))
    assert not {e.tag for e in page.walk()} & {"script", "link", "iframe", "object", "base"}
    sources = [
        e.attributes[name] or "" for e in page.walk() for name in ("src", "href", "srcset") if name in e.attributes
    ]
    assert len(sources) == 6 and all(source.startswith("data:image/") for source in sources)
    text = re.sub(r"base64,[^\"]+", "", (tmp_path / "out.html").read_text())
    assert "//" not in text and "url(" not in text and "@import" not in text


def test_a_failed_report_leaves_the_old_one(tmp_path: Path, report) -> None:
    report(lpips(0.1))
    before = (tmp_path / "out.html").read_bytes()
    with pytest.raises(UnreadableImage, match=r"gone\.png"):
        report(pairs=[Pair("gone", None, tmp_path / "gone.png", {"lpips": 0.5})])
    assert (tmp_path / "out.html").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.html", "picture.png"]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, report, monkeypatch) -> None:
    report(lpips(0.1))
    before = (tmp_path / "out.html").read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        report(lpips(0.1, 0.9))
    assert (tmp_path / "out.html").read_bytes() == before


def test_a_count_below_one_is_refused(report) -> None:
    with pytest.raises(ConfigError, match="count=0 pairs"):
        report(lpips(0.1), count=0)


def chart(values: Sequence[float]) -> Element:
    return parse(distribution("psnr", values))


def bars(figure: Element) -> list[tuple[float, float, float]]:
    """(left, width, height) of each, in the drawing's units."""
    return [(bar.number("x"), bar.number("width"), bar.number("height")) for bar in figure.all("rect")]


def test_a_histogram_by_hand() -> None:
    # Freedman-Diaconis: 2 * 3.5 / 2 = 3.5 wide, 2 bins; Sturges: log2(8) + 1 = 4 bins over [0, 7], 1.75 wide.
    figure = chart([0, 1, 2, 3, 4, 5, 6, 7])
    assert [bar.text for bar in figure.all("title")] == [
        "0 to 1.75: 2",
        "1.75 to 3.5: 2",
        "3.5 to 5.25: 2",
        "5.25 to 7: 2",
    ]
    assert figure.all("svg")[0].attributes["role"] == "img"
    said = "8 values from 0 to 7, mean 3.5, median 3.5."
    assert figure.all("svg")[0].attributes["aria-label"] == f"Histogram of psnr: {said}"
    assert figure.all("figcaption")[0].text == f"psnr: {said}"


def test_bars_are_as_high_as_their_counts_and_stand_at_their_values() -> None:
    values = [0.0] * 6 + [0.5] * 3 + [1.0]
    figure = chart(values)
    axis = {float(t.text): t.number("x") for t in figure.all("text", "value")}
    heights = [height for *_, height in bars(figure)]
    assert len(heights) == 3
    assert heights[0] / heights[1] == pytest.approx(2, rel=0.01)
    assert heights[0] / heights[2] == pytest.approx(6, rel=0.01)
    first, _, last = bars(figure)
    assert first[0] - 0.5 == pytest.approx(axis[0], abs=0.1) and last[0] + last[1] + 0.5 == pytest.approx(
        axis[1], abs=0.1
    )
    base = max(line.number("y1") for line in figure.all("line", "grid"))
    bottoms = [bar.number("y") + bar.number("height") for bar in figure.all("rect")]
    assert bottoms == pytest.approx([base] * 3, abs=0.11)
    assert figure.all("line", "axis")[0].number("y1") == base
    (mean,) = figure.all("line", "mean")
    assert mean.number("x1") == mean.number("x2") == pytest.approx(axis[0] + 0.25 * (axis[1] - axis[0]), abs=0.1)
    assert figure.all("text", "mean")[0].text == "mean 0.25"
    (top,) = (t for t in figure.all("text", "count") if t.text == "6")
    assert top.number("y") - 4 == pytest.approx(figure.all("rect")[0].number("y"), abs=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_bins_are_numpys(seed: int) -> None:
    values = np.random.default_rng(seed).normal(20, 3, 400)
    expected = np.histogram(values, "auto")
    for ours, theirs in zip(histogram(values), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_bins_are_bounded() -> None:
    nearly_equal = np.append(1e-9 * np.random.default_rng(0).random(500), 1.0)
    counts, edges = histogram(nearly_equal)
    assert len(counts) == 40 and counts.sum() == 501 and (edges[0], edges[-1]) == (nearly_equal.min(), 1.0)


@pytest.mark.parametrize("value", [0.0, 0.25, -3.0, 1e-12, 1e12, 99.5])
@pytest.mark.parametrize("count", [1, 7])
def test_equal_values_are_one_bar_in_the_middle(value: float, count: int) -> None:
    figure = chart([value] * (count - 1) + [value * (1 + 1e-7)])
    ((left, width, height),) = bars(figure)
    (mean,) = figure.all("line", "mean")
    assert width < 40 and height > 100 and left < mean.number("x1") < left + width
    assert f"mean {value:.4g}" in figure.text and len(figure.all("text", "value")) >= 2


def test_what_is_not_finite_is_counted_not_drawn() -> None:
    figure = chart([20.0, math.inf, 30.0, math.nan, math.inf])
    assert figure.all("figcaption")[0].text == (
        "psnr: 2 values from 20 to 30, mean 25, median 25; not drawn: 2 inf, 1 nan."
    )
    assert sum(int(title.text.rpartition(" ")[2]) for title in figure.all("title")) == 2
    nothing = chart([math.inf, -math.inf])
    assert not nothing.all("svg") and nothing.text == "psnr: no finite value; not drawn: 1 inf, 1 -inf."


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.5, 1]),
        (0, 0.3, [0, 0.1, 0.2, 0.3]),
        (0.07, 0.11, [0.07, 0.08, 0.09, 0.1, 0.11]),
        (0.11, 0.52, [0.2, 0.3, 0.4, 0.5]),
        (-3, 5, [-2, 0, 2, 4]),
        (0, 4, [0, 1, 2, 3, 4]),
        (17.3, 17.36, [17.3, 17.32, 17.34, 17.36]),
        (2e-6, 9e-6, [2e-6, 4e-6, 6e-6, 8e-6]),
        (0.1, 8.4, [2, 4, 6, 8]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-7, 1e-3, 1.0, 700.0, 1e9])
@pytest.mark.parametrize("offset", [0.0, 0.3, 40.0])
def test_words_stay_in_the_drawing_and_apart(scale: float, offset: float) -> None:
    values = (np.random.default_rng(0).gamma(1.0, 1.0, 300) + offset) * scale
    uneven = np.array([offset] * 50 + [offset + 1]) * scale
    for figure in map(chart, (values, -values, uneven, -uneven)):
        labels = figure.all("text", "value")
        assert len(labels) >= 2
        # 6.5 units a letter is more than a sans-serif font of 11 units takes on digits.
        ends = [
            (label.number("x") - 3.25 * len(label.text), label.number("x") + 3.25 * len(label.text)) for label in labels
        ]
        assert ends[0][0] >= 0 and ends[-1][1] <= 360
        assert all(left[1] < right[0] for left, right in pairwise(ends))
        (mean,) = figure.all("text", "mean")
        length, x = 6.5 * len(mean.text), mean.number("x")
        start = {"start": x, "middle": x - length / 2, "end": x - length}[mean.attributes["text-anchor"] or ""]
        assert start >= 0 and start + length <= 360
