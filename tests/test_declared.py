"""What fits an annotation, and how that is said."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from sketchkit.declared import Choices, Count, Range, Recipe, Share, declarations, fits, misfit_within, short
from sketchkit.errors import ConfigError
from sketchkit.options import check_options
from sketchkit.registry import PLUGIN_REGISTRIES, RUNNER_CHILDREN

NAN, INF = float("nan"), float("inf")


class Way(Enum):
    DOWN = 1


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        (int, [0, -3], [True, 1.0, "1", None, NAN, 2**63]),
        (float, [0, 1.5], [False, NAN, INF, -INF, "1", 10**400]),
        (bool, [True], [1, 0, "True", None]),
        (str, ["a"], ["", None, 1]),
        (str | Path | None, ["a", Path("a"), None], ["", 1]),
        (Literal["a", 1], ["a", 1], ["b", True, 1.0]),
        (Count, [1, 9], [0, -1, True]),
        (Share | None, [0, 1, 0.5, None], [1.01, -0.1]),
        (Annotated[float, Range(above=0, below=1)], [0.5], [0, 1]),
        (Annotated[str, Choices(("a", "b"))] | None, ["a", None], ["c", 1]),
        (Annotated[str, Choices(lambda: ["late"])], ["late"], ["a"]),
        (Sequence[int], [[], [1], (1, 2)], ["12", 1, [1.5], {}, None]),
        (Sequence[Sequence[Count]], [[[1], [2, 3]]], [[1], [[0]]]),
        (tuple[float, float], [[1, 2], (0.5, 1)], [[1], [1, 2, 3], 1]),
        (tuple[int, ...], [[1, 2, 3]], [["a"]]),
        (Mapping[str, float], [{}, {"a": 1}], [{"a": "b"}, {1: 2}, {"": 1}, []]),
        (Recipe, [{"type": "A"}], [{}, {"type": 1}, {"a": 1}, "A"]),
        (Callable[[int], int] | Mapping[str, Any], [len, {"type": "A"}], ["len", 1, None]),
        (float | Way, [1.0, Way.DOWN], [{"type": "A"}, "DOWN"]),
        (Way, [Way.DOWN, {"type": "A"}], ["DOWN", 1, [], {}]),
        (Any, [None, "", {"a": [1]}], [NAN, {"a": [INF]}, {1: 1}, 2**70]),
    ],
)
def test_what_fits_an_annotation(declared, good, bad):
    assert [value for value in good if not fits(value, declared)] == []
    assert [value for value in bad if fits(value, declared)] == []


@pytest.mark.parametrize(
    ("value", "declared", "line"),
    [
        (0, Annotated[int, Range(1, 2**16)], "=0: give a whole number of 1 or more and at most 65,536"),
        (NAN, float, "=nan: give a finite number"),
        ([[4, "a"]], Sequence[Sequence[int]] | None, ".0.1='a': give a whole number"),
        ({"a": {"b": 1}}, Mapping[str, Mapping[str, str]], ".a.b=1: give a word that is not empty"),
        ([1], tuple[float, float], "=[1]: give a list of 2: a finite number, a finite number"),
        ("c", Annotated[str, Choices("ab")] | None, "='c': give 'a' or 'b' or None"),
        ({}, Recipe | None, "={}: give dict(type=NAME, ...) or None"),
        (5, float | Way | str, None),
        ([], float | Way, "=[]: give a finite number"),
    ],
)
def test_the_innermost_place_is_named_with_what_fits(value, declared, line):
    found = misfit_within(value, declared)
    assert line is None if found is None else "".join(found) == line


def test_a_long_value_is_shown_short():
    assert len(short("x\n" * 9999)) < 80 and "\n" not in short("x\n" * 9999)


class Base:
    def __init__(self, width: "Count" = 4, name="x"):
        pass


class Hands(Base):
    def __init__(self, *, depth: "Count" = 1, other: "NoSuchName" = 3, word: str = "", **options: Any):  # noqa: F821
        super().__init__(**options)


def test_options_that_are_handed_on_are_declared_where_they_end():
    assert {name: declared for name, (declared, _) in declarations(Hands).items() if name != "self"} == {
        "depth": Count, "other": Any, "word": str, "width": Count, "name": declarations(Base)["name"][0],
    }  # fmt: skip


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": "foo"}, {"name": NAN}, {"word": 1}])
def test_an_entry_is_not_called_with_what_it_does_not_declare(options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))}=.*: give"):
        check_options(Hands, options)


def test_a_default_is_right_whatever_is_declared():
    check_options(Hands, {"word": "", "depth": 2, "name": "any", "other": None})


def test_every_annotation_of_ours_can_be_read_and_has_a_default_that_fits():
    for entries in (*PLUGIN_REGISTRIES, *RUNNER_CHILDREN):
        for name in entries.names():
            entry = entries.get(name)
            if not entry.__module__.startswith(("sketchkit.", "sketchkit_plugins.")):
                continue
            for option, text in getattr(entry.__init__, "__annotations__", {}).items():
                declared = declarations(entry).get(option, (None,))[0]
                assert text == "Any" or declared is not Any, (name, option, text)
