"""What an option may hold, by the annotation that declares it: its type and, in `Annotated`, a range or choices.

def __init__(self, width: Annotated[int, Range(1)] = 64, slope: Annotated[float, Range(0, below=1)] = 0.2): ...
"""

from __future__ import annotations

import inspect
import math
import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

# What is declared here of classes that others wrote: class -> option -> annotation.
FOREIGN: dict[Any, dict[str, Any]] = {}
LARGEST = 2**63 - 1  # what torch keeps a whole number in


@dataclass(frozen=True)
class Range:
    """Limits of a number: `least` and `most` are allowed themselves, `above` and `below` are not."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: Any) -> bool:
        return not _is_number(value) or not (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )

    def __str__(self) -> str:
        limits = {"{:,} or more": self.least, "at most {:,}": self.most, "above {:,}": self.above,
                  "below {:,}": self.below}  # fmt: skip
        return " and ".join(text.format(limit) for text, limit in limits.items() if limit is not None)


@dataclass(frozen=True, eq=False)
class Choices:
    """Words to choose from; of names that plugins may add, a function that lists them."""

    words: Collection[str] | Callable[[], Iterable[str]]

    def __contains__(self, value: Any) -> bool:
        return not isinstance(value, str) or value in self._all()

    def __str__(self) -> str:
        return " or ".join(map(repr, self._all()))

    def _all(self) -> list[str]:
        return list(self.words() if callable(self.words) else self.words)


@dataclass(frozen=True)
class HasType:
    """A dict that says what is built of it."""

    def __contains__(self, value: Any) -> bool:
        return not isinstance(value, Mapping) or isinstance(value.get("type"), str)

    def __str__(self) -> str:
        return "dict(type=NAME, ...)"


Limit = Range | Choices | HasType
Recipe = Annotated[Mapping[str, Any], HasType()]
Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Seed = Annotated[int, Range(0, 2**32 - 1)]  # what numpy takes
# Beyond these a network or a picture fits no machine, and what is built of a mistyped one takes hours to fail.
Channels = Annotated[int, Range(1, 2**16)]
MoreChannels = Annotated[int, Range(0, 2**16)]
Blocks = Annotated[int, Range(0, 1000)]
Halvings = Annotated[int, Range(0, 12)]
Side = Annotated[int, Range(1, 2**14)]
# How pictures are brought to a size; torchvision knows more, and those not of tensors in every version.
Interpolation = Literal["nearest", "nearest-exact", "bilinear", "bicubic"]


def fits(value: Any, declared: Any) -> bool:
    """Whether a value may stand where `declared` is the annotation; one that is not known here takes all but NaN."""
    origin, inner = get_origin(declared), get_args(declared)
    if declared in (Any, inspect.Parameter.empty):
        return is_plain(value)
    if origin is Annotated:
        return fits(value, inner[0]) and all(value in limit for limit in _limits(inner))
    if origin in (Union, UnionType):
        # A recipe may stand for an object, but not for one that a number may stand for.
        no_recipe = isinstance(value, Mapping) and not NUMBERS.keys().isdisjoint(inner)
        return any(fits(value, one) for one in inner if not (no_recipe and _is_foreign(one)))
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if declared is None or declared is type(None):
        return value is None
    if declared in NUMBERS:
        return NUMBERS[declared](value)
    if declared in (str, Path):
        return isinstance(value, str | declared) and str(value) != ""
    return _fits_class(value, origin or declared, inner)


def _fits_class(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    if kind is Callable:
        return callable(value) or (isinstance(value, Mapping) and "type" in value)
    if not isinstance(kind, type):
        return is_plain(value)
    if issubclass(kind, Mapping):
        return (
            isinstance(value, Mapping)
            and _keys_fit(value)
            and all(fits(item, inner[1] if len(inner) == 2 else Any) for item in value.values())
        )
    if (issubclass(kind, Iterable) and issubclass(list, kind)) or kind in (tuple, set, frozenset):
        return isinstance(value, list | tuple) and _items_fit(value, kind, inner)
    if value is None or isinstance(value, bool | int | float | str | list | tuple):
        return isinstance(value, kind)
    # What is to be built where it is used, or was built in a Python config.
    return isinstance(value, kind) or (isinstance(value, Mapping) and "type" in value)


def misfit_within(value: Any, declared: Any, key: str = "") -> tuple[str, str] | None:
    """The innermost place at which a value does not fit, as the key's end, and what is wrong, to stand behind it."""
    if fits(value, declared):
        return None
    inside = _declared_inside(declared, value)
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if inside is not None else ()
    for name, item in items if inside is not None else ():
        if found := misfit_within(item, inside, f"{key}.{name}"):
            return found
    is_undeclared_number = declared in (Any, inspect.Parameter.empty) and isinstance(value, int | float)
    return key, f"={short(value)}: give {words(float if is_undeclared_number else declared)}"


def _declared_inside(declared: Any, value: Any) -> Any:
    """What is declared of each item of a list or dict; None: not one thing."""
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType, Annotated):
        found = [one for one in (_declared_inside(part, value) for part in inner) if one is not None]
        return found[0] if len(found) == 1 else None
    if not isinstance(origin, type) or not inner:
        return None
    if isinstance(value, Mapping):
        return inner[1] if issubclass(origin, Mapping) and _keys_fit(value) else None
    is_list = isinstance(value, list | tuple) and issubclass(list, origin)
    return inner[0] if is_list else None


def words(declared: Any) -> str:
    """What fits, for a person."""
    origin, inner = get_origin(declared), get_args(declared)
    if origin is Annotated:
        limits = " ".join(map(str, _limits(inner)))
        if any(not isinstance(limit, Range) for limit in _limits(inner)):
            return limits
        return f"{words(inner[0])} of {limits}" if limits[:1].isdigit() else f"{words(inner[0])} {limits}".rstrip()
    if origin in (Union, UnionType):
        plain = [one for one in inner if not _is_foreign(one)]
        return " or ".join(dict.fromkeys(map(words, plain or inner)))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    kind = origin or declared
    if kind in WORDS:
        return WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return "a dict"
    if kind is tuple and inner and Ellipsis not in inner:
        return f"a list of {len(inner)}: {', '.join(map(words, inner))}"
    if (isinstance(kind, type) and issubclass(list, kind)) or kind is tuple:
        return f"a list, each item {words(inner[0])}" if inner and inner[0] is not Any else "a list"
    return f"a {kind.__name__}" if isinstance(kind, type) else "something else"


def is_plain(value: Any) -> bool:
    """Whether all numbers in a value are finite, and all keys are names."""
    if isinstance(value, Mapping):
        return _keys_fit(value) and all(map(is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return _is_real(value) if isinstance(value, int | float) else True


def short(value: Any) -> str:
    """A value as an error shows it: one line of bounded length."""
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = shown.maxlong = 60
    return " ".join(shown.repr(_without_dict_class(value)).split())


@lru_cache(maxsize=1024)
def declarations(entry: Any) -> Mapping[str, tuple[Any, Any]]:
    """option -> (annotation, default) of what an entry is called with, from where each is declared.

    A class that takes any options hands them on: those of the classes it is made from are there too.
    """
    found = {name: (annotation, ...) for name, annotation in FOREIGN.get(entry, {}).items()}
    for call in _calls(entry):
        try:
            parameters = inspect.signature(call).parameters.values()
        except (ValueError, TypeError):  # written in C
            break
        for one in parameters:
            if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
                found.setdefault(one.name, (_read(one.annotation, call), one.default))
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return found


def _calls(entry: Any) -> Iterator[Any]:
    if not isinstance(entry, type):
        yield entry
        return
    yield from (vars(owner)["__init__"] for owner in entry.__mro__ if "__init__" in vars(owner))


def _read(annotation: Any, call: Any) -> Any:
    """An annotation that is kept as text, as what it says; one that cannot be read declares nothing."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(inspect.unwrap(call), "__globals__", {}))
    except Exception:  # such as a name imported for type checkers alone
        return Any


def _is_foreign(declared: Any) -> bool:
    """Whether it is a class of objects that no config can write down."""
    return isinstance(declared, type) and declared not in WORDS and not issubclass(declared, Mapping | list | tuple)


def _limits(inner: tuple[Any, ...]) -> list[Limit]:
    return [one for one in inner[1:] if isinstance(one, Limit)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)


def _keys_fit(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(key, str) and key != "" for key in value)


def _items_fit(value: Collection[Any], kind: Any, inner: tuple[Any, ...]) -> bool:
    if kind is tuple and inner and Ellipsis not in inner:
        return len(value) == len(inner) and all(map(fits, value, inner))
    return all(fits(item, inner[0] if inner else Any) for item in value)


def _without_dict_class(value: Any) -> Any:
    """Plain dicts in place of mmengine's, whose `repr` is no dict's."""
    if isinstance(value, Mapping):
        return {key: _without_dict_class(item) for key, item in value.items()}
    return [_without_dict_class(item) for item in value] if isinstance(value, list) else value


NUMBERS: Mapping[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool) and _is_real(value),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool) and _is_real(value),
}
WORDS: Mapping[Any, str] = {
    bool: "True or False", int: "a whole number", float: "a finite number", str: "a word that is not empty",
    Path: "a path", type(None): "None", None: "None", Any: "finite numbers and names as keys",
    inspect.Parameter.empty: "finite numbers and names as keys", Callable: "a function",
}  # fmt: skip
