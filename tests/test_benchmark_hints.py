"""The benchmark of hints: what it draws, how it judges, and that an untrained run does not pass."""

import json

import cv2
import numpy as np
import pytest

from sketchkit.cli import run
from tools import benchmark as tool
from tools import benchmark_hints, hint_cases
from tools.hint_cases import COLORS, PLACES, SIZES, cases_of


def house(side):
    """Light of a drawing, (H, W): two closed rooms beside each other."""
    canvas = np.full((side, side), 255, np.uint8)
    for left in (0.1, 0.55):
        corners = [(round(x * side), round(y * side)) for x, y in ((left, 0.2), (left + 0.35, 0.8))]
        cv2.rectangle(canvas, *corners, 0, max(1, side // 32))
    return canvas / 255


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_colour_size_and_place_is_drawn_once(side, number):
    cases = list(cases_of(house(side), number))
    assert {(case.color, case.size, case.place) for case in cases} == {
        (color, size, place) for color in COLORS for size in SIZES for place in PLACES
    }
    assert len(cases) == 30
    for case in cases:
        assert (COLORS[case.color] == case.hint[:3, case.hint[3] == 255].T).all()
        assert not (case.aside & (case.hint[3] > 0)).any() and (case.under <= case.hint[3] / 255 + 1 / 255).all()


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_in_the_middle_a_mark_of_its_size_lies_in_a_room_and_the_other_is_aside(side, number):
    for case in cases_of(house(side), number):
        if case.place == "middle":
            rows, columns = (np.flatnonzero(case.hint[3].max(axis)) for axis in (1, 0))
            extent = max(np.ptp(rows), np.ptp(columns)) + 1
            assert extent == pytest.approx(case.size * side, abs=2.5)
            assert side * 0.2 < rows.min() and rows.max() < side * 0.8
            is_left = columns.mean() < side / 2
            other = slice(round(0.6 * side), round(0.85 * side)) if is_left else slice(round(0.15 * side), side // 3)
            assert case.aside[side // 2, other].all() and not case.aside[rows.min() : rows.max(), columns].any()


def test_without_a_closed_area_the_middle_is_still_on_paper():
    light = np.ones((40, 60))
    light[20] = 0
    middles = [case for case in cases_of(light, 0) if case.place == "middle"]
    assert middles and all(case.under.any() for case in middles)
    assert len(list(cases_of(np.zeros((40, 60)), 0))) == 30, "of nothing but ink too"


def judged(case, output, plain):
    return benchmark_hints.judge(case, output.astype(np.uint8), plain.astype(np.uint8))


def test_the_verdict_of_a_hint_that_is_obeyed_and_of_one_that_is_not():
    case = next(
        case for case in cases_of(house(64), 1) if (case.color, case.size, case.place) == ("red", 0.2, "middle")
    )
    plain = np.full((64, 64, 3), 200.0)
    obeyed = np.where(case.under[..., None] > 0, COLORS["red"], plain)
    found = judged(case, obeyed, plain)
    assert found.off < 1 and found.saturated == 0 and found.change == 0
    # White, where every channel is to be below 230; and all else darker by 40 levels of grey.
    white = np.where(case.under[..., None] > 0, 255.0, plain - 40)
    found = judged(case, white, plain)
    assert found.off > 40 and found.saturated == 3
    # CIEDE2000 of greys is that of L*: 80.6 and 65.9, by Sharma et al. 2005 14.71 / (1 + 0.015 d^2 / sqrt(20 + d^2)),
    # with d = 73.2 - 50.
    assert found.change == pytest.approx(10.8, abs=0.2)


def test_the_goals_are_means_over_all_hints_and_no_channel_may_end():
    rows = [benchmark_hints.Outcome("red", 0.03, "middle", off, ended, change)
            for off, ended, change in ((10.0, 0, 2.0), (19.0, 0, 9.0), (15.0, 0, None))]  # fmt: skip
    goals = benchmark_hints.goals_of(rows)
    assert [goal["value"] for goal in goals.values()] == pytest.approx([44 / 3, 0, 5.5])
    assert all(goal["met"] for goal in goals.values())
    goals = benchmark_hints.goals_of([*rows, rows[0]._replace(off=90, saturated=1, change=30.0)])
    assert not any(goal["met"] for goal in goals.values())
    beside = {"l1": 0.1, "lpips": 0.2}
    goals = benchmark_hints.goals_without({"l1": 0.104, "lpips": 0.22}, beside)
    assert [goal["met"] for goal in goals.values()] == [True, False]
    assert list(benchmark_hints.goals_without({"l1": 0.1, "lpips": "not measured"}, beside)) == ["l1 without hints"]


def call(*words):
    with pytest.raises(SystemExit) as end:
        run(tool.benchmark, [*map(str, words)], "benchmark.py")
    return end.value.code or 0


@pytest.mark.slow
def test_an_untrained_run_does_not_pass_and_weights_that_are_missing_are_told_of(runs, tmp_path, monkeypatch, capsys):
    for name in ("SKETCHKIT_WEIGHTS", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    words = ["hints", runs("hints"), "--drawings", 2, "--against", runs("hints"), "--json", tmp_path / "out.json"]
    assert call(*words) == 1
    out = capsys.readouterr().out
    assert "60 hints" in out and "failed: the goals were not reached" in out and "dark violet" in out
    assert "lpips without hints: not measured: " in out and "not met" in out
    found = json.loads((tmp_path / "out.json").read_text())
    assert len(found["cases"]) == 60 and found["passed"] is False and found["drawings"] == 2
    assert found["goals"]["l1 without hints"]["met"] and found["goals"]["difference to the hint"]["value"] > 15


@pytest.mark.slow
def test_a_run_without_hints_is_refused_in_a_line(runs, capsys):
    assert call("hints", runs("pix2pix")) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "was trained without hints: train with backbone.hint_channels=4" in line


def test_forms_have_the_extent_they_are_given():
    for form in hint_cases.FORMS:
        share = hint_cases.stroke(form, (50, 70), (25, 30), 20)
        rows, columns = (np.flatnonzero(share.max(axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20, abs=2)
        assert share.max() == pytest.approx(1) and columns.mean() == pytest.approx(29.5, abs=1)
