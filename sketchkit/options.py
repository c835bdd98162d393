"""Checks of options, whose errors name the closest choice."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sketchkit.declared import declarations, misfit_within
from sketchkit.errors import ConfigError, SketchkitError

LISTED = 40  # names that a message lists; timm has more than a thousand networks


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that names the closest known word, or lists them when none is close."""
    known = sorted(known)
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{by_lower[close[0]]}'?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return "known: " + (", ".join(known[:LISTED]) or "none") + more


def one_of(option: str, value: str | None, choices: Iterable[str | None]) -> None:
    """Refuse a value of an option that is not among its choices.

    Raises:
        ConfigError: names the option, the value and the closest choice.
    """
    choices = list(choices)
    if value not in choices:
        raise ConfigError(f"{option}={value!r} is not a choice: {did_you_mean(str(value), map(str, choices))}")


def some_of(option: str, values: Any, choices: Iterable[str]) -> None:
    """Refuse a list of an option that is empty, or holds what is not among its choices.

    Raises:
        ConfigError: names the option, and the choices or the closest one.
    """
    choices = list(choices)
    if isinstance(values, str) or not values:
        raise ConfigError(f"{option}={values!r}: give a list of {', '.join(choices)}")
    for value in values:
        one_of(option, value, choices)


def whole_number(option: str, value: Any, least: int) -> None:
    """Refuse a value of an option that is no whole number of `least` or more.

    Raises:
        ConfigError: names the option and the value.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{option}={value!r}: give a whole number of {least} or more")


def check_options(entry: Any, options: Mapping[str, Any]) -> None:
    """Refuse what `entry` cannot be called with, naming the closest option it has.

    Raises:
        ConfigError: an unknown option, a required one missing, or a value that is not what the entry declares.
    """
    known, takes_any = options_of(entry)
    for option in options:
        if option not in known and not takes_any:
            raise ConfigError(f"{entry.__name__} has no option '{option}': {did_you_mean(option, known)}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise ConfigError(f"{entry.__name__} needs the option '{name}'")
    for option, value in options.items():
        if wrong := misfit(entry, option, value):
            raise ConfigError(option + "".join(wrong))


@contextmanager
def explained(place: str, prefix: bool = True) -> Iterator[None]:
    """Say of what goes wrong while something is built where in a config it is; a constructor may raise anything.

    prefix: whether what is said in a line already, a ConfigError, is given the place too.

    Raises:
        ConfigError: the place, and what was wrong, in one line.
    """
    try:
        yield
    except ConfigError as error:
        if not prefix or str(error).startswith(place):
            raise
        raise ConfigError(f"{place}: {error}") from error
    except (SketchkitError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:400]
        raise ConfigError(f"{place} cannot be built: {type(error).__name__}: {reason}") from error


def misfit(entry: Any, option: str, value: Any) -> tuple[str, str] | None:
    """Where a value is not what `entry` declares of the option, and what is wrong, to stand behind the option's name.

    Where: '' for the whole value, '.0' within a list. None: it fits.
    """
    annotation, default = declarations(entry).get(option, (Any, ...))
    # What an entry says itself is right, whatever it declares.
    is_default = type(value) is type(default) and value == default
    return None if is_default else misfit_within(value, annotation)


@lru_cache(maxsize=1024)
def options_of(entry: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """The options `entry` names, and whether it takes others as well.

    A class that takes any hands those on, as a rule to the class it is made from: that one's are named too.
    """
    from torch import nn  # here, as names are looked up in commands that import nothing heavy

    # A module without an `__init__` of its own inherits one that seems to take anything, and takes nothing.
    if getattr(entry, "__init__", None) is nn.Module.__init__:
        return {}, False
    parameters = inspect.signature(entry).parameters.values()
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if takes_any and isinstance(entry, type):
        bases = [base for base in entry.__mro__[1:-1] if "__init__" in vars(base)]
        inherited = options_of(bases[0])[0] if bases else {}
        # What that class requires, this one may give it.
        optional = {name: p.replace(default=None) for name, p in inherited.items() if p.default is p.empty}
        named = {**inherited, **optional, **named}
    return named, takes_any
