"""A step that fails, hangs or dies costs the others nothing, and what it had found is kept."""

import json
import math
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest

from tools import gpu_report
from tools.gpu.steps import Result, Step, in_child, run_step, verdict, worst
from tools.gpu.table import markdown, write_report


def good(setting):
    yield verdict("one", 0.5, 1.0)
    print("said by a step")


def fails(setting):
    yield verdict("before", 0.5, 1.0)
    raise ValueError("the first line\nthe second")


def hangs(setting):
    yield verdict("before", 0.5, 1.0)
    child = in_child(time.sleep, 600)
    (setting.folder / "child").write_text(str(child.pid))
    time.sleep(600)


def dies(setting):
    yield verdict("before", 0.5, 1.0)
    os.kill(os.getpid(), signal.SIGKILL)


def wrong(setting):
    yield verdict("off", float("nan"), 1.0)


@pytest.fixture
def here(setting, tmp_path):
    return replace(setting, folder=tmp_path, out=tmp_path)


def result_of(rows, setting):
    return run_step(Step(rows.__name__, "right", rows), setting)


@pytest.mark.parametrize("measured", [float("nan"), float("inf"), 1.0001])
def test_what_is_beyond_or_no_number_does_not_pass(measured):
    assert verdict("x", measured, 1.0)["passed"] is False


@pytest.mark.parametrize("allowed", [float("nan"), float("inf")])
def test_nothing_passes_where_what_is_allowed_is_no_number(allowed):
    row = verdict("x", allowed, allowed)
    assert row["passed"] is False and verdict("x", 0.0, allowed)["passed"] is False
    json.dumps(row, allow_nan=False)


@pytest.mark.parametrize("values", [[0.5, float("nan")], [float("nan"), 0.5], [float("inf"), float("nan")]])
def test_the_worst_of_some_is_what_is_not_finite_wherever_it_stands(values):
    assert not math.isfinite(worst(values))
    assert worst([0.1, 0.5, 0.2]) == 0.5 and worst([]) == 0.0


def test_a_step_that_comes_to_its_end(here):
    result = result_of(good, here)
    assert result.error is None and not result.has_failed and [row["what"] for row in result.rows] == ["one"]
    assert "===== good\nsaid by a step" in (here.out / "log.txt").read_text()


def test_an_error_is_kept_with_the_rows_before_it(here):
    result = result_of(fails, here)
    assert result.error == "ValueError: the first line" and result.has_failed and len(result.rows) == 1
    assert "Traceback" in (here.out / "log.txt").read_text()


def test_a_step_that_dies_is_told_of(here):
    result = result_of(dies, here)
    assert "code -9" in result.error and len(result.rows) == 1


def test_a_step_that_hangs_ends_with_the_time_and_all_it_started(here):
    result = result_of(hangs, replace(here, deadline=time.monotonic() + 2))
    assert result.error == "out of time" and len(result.rows) == 1 and result.seconds < 60
    child = int((here.folder / "child").read_text())
    status = Path(f"/proc/{child}/status")
    deadline = time.monotonic() + 20
    while status.exists() and "State:\tZ" not in status.read_text():  # killed, and then collected by the system
        assert time.monotonic() < deadline, "its child lives on"
        time.sleep(0.05)


def test_the_report_is_written_after_every_step_and_goes_on(here, monkeypatch, capsys):
    seen = []

    def looks(setting):
        seen.extend([])
        content = json.loads((setting.out / "report.json").read_text())
        yield {"what": "so far", "value": [step["name"] for step in content["steps"]]}

    steps = [Step("fails", "make", fails), Step("looks", "right", looks), Step("skipped", "cost", good)]
    monkeypatch.setattr(gpu_report, "all_steps", lambda: steps)
    assert gpu_report.report(here, gpu_report.choose_steps(("right",), ())) is False
    content = json.loads((here.out / "report.json").read_text())
    assert [step["name"] for step in content["steps"]] == ["fails", "looks"]
    assert content["steps"][1]["rows"][0]["value"] == ["fails"]
    assert "fails ... 0 s, 1 rows, FAILED" in capsys.readouterr().out


def test_steps_that_the_time_does_not_reach_are_named(here, monkeypatch):
    slow = Step("hangs", "right", hangs)
    monkeypatch.setattr(gpu_report, "all_steps", lambda: [slow, Step("never", "right", good)])
    assert not gpu_report.report(replace(here, deadline=time.monotonic() + 1), gpu_report.all_steps())
    page = (here.out / "report.md").read_text()
    assert "not begun: never" in page and "**out of time**" in page


def test_steps_are_chosen_by_part_and_by_name():
    chosen = gpu_report.choose_steps(("right", "cost"), ("features", "waits"))
    assert [step.name for step in chosen] == ["machine", "samples", "waits", "features"]
    with pytest.raises(click.UsageError, match="no step is named wait; there are: machine"):
        gpu_report.choose_steps(("right",), ("wait",))


def test_the_page_says_what_failed_and_where(tmp_path):
    rows = [verdict("a | b", 0.0, 1e-4), verdict("c", 2.0, 1.0, "a note")]
    results = [
        Result("checks", "right", rows, 3.0),
        Result("costs", "cost", [{"ms": 1234.5}, {"ms": None}], 1.0, "Oh: no"),
    ]
    write_report(tmp_path, {"title": "T"}, results, [])
    page = (tmp_path / "report.md").read_text()
    assert page == markdown({"title": "T"}, results, [])
    assert "- checks: 1 of 2 passed\n- failed: checks, costs\n- not begun: nothing" in page
    assert "| a / b | 0 | 0.0001 | yes |  |\n| c | 2 | 1 | **no** | a note |" in page
    assert "| 1234 |" in page and "**Oh: no**" in page
    assert json.loads((tmp_path / "report.json").read_text())["steps"][0]["rows"][1]["measured"] == 2.0


def test_a_number_that_is_none_is_json_all_the_same(here, tmp_path):
    write_report(tmp_path, {}, [result_of(wrong, here)], [])

    def refuse(constant):
        raise AssertionError(constant)

    json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
