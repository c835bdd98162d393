"""Checks of a config's values, put together of others as a section is of its parts.

A check is a function of a value and its key that raises `Misfit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mmengine.registry import Registry

from sketchkit import registry
from sketchkit.declared import Count, misfit_within, short
from sketchkit.errors import ConfigError
from sketchkit.options import did_you_mean, misfit, options_of

BUILDER_KEYS = ("type", "requires_grad")  # what mmengine's and MMCV's builders take out of a dict
Check = Callable[[Any, str], None]


class Misfit(Exception):
    """A key, and what is wrong with it, to stand behind it."""

    def __init__(self, key: str, wrong: str) -> None:
        super().__init__(key + wrong)
        self.key, self.wrong = key, wrong


def plain(declared: Any) -> Check:
    """A value of an annotation."""

    def check(value: Any, key: str) -> None:
        if at := misfit_within(value, declared):
            raise Misfit(key + at[0], at[1])

    return check


def anything(value: Any, key: str) -> None:
    """Numbers are finite and keys are names; of a dict whose type is known, the options too."""
    if not isinstance(value, Mapping | list | tuple):
        plain(Any)(value, key)
        return
    if isinstance(value, Mapping) and "type" in value:
        _check_type(value, key)
        found = _find(value["type"])
        if found is not None:
            _check_options(found, value, key, {})
    for name, item in _items(value, key):
        anything(item, f"{key}.{name}")


def entry(entries: Registry, *given: str, default: str | None = None, **parts: Check) -> Check:
    """A dict that one of the registry's entries is built of.

    given: options that whoever builds it adds; default: the type of a dict without one; parts: options that are checked
    by more than their annotation, or that are the builder's and not the entry's.
    """

    def check(value: Any, key: str) -> None:
        if not isinstance(value, Mapping):
            article = "an" if entries.name[0] in "aeiou" else "a"
            raise Misfit(key, f"={short(value)}: give dict(type=NAME, ...) of {article} {entries.name}")
        kind = value.get("type", default)
        if "type" in value or kind is None:
            _check_type(value, key, entries.names())
        try:
            found = entries.get(kind)
        except ConfigError as error:
            raise Misfit(f"{key}.type", f"={kind!r}: {error}") from error
        _check_options(found, value, key, parts)
        for option, parameter in options_of(found)[0].items():
            if parameter.default is parameter.empty and option not in (*value, *given):
                raise Misfit(key, f": {kind} needs the option '{option}'")
        for name, item in _items(value, key):
            parts.get(name, anything)(item, f"{key}.{name}")

    return check


def known(entries: Registry) -> Check:
    """The name of one of the registry's entries."""

    def check(value: Any, key: str) -> None:
        if not isinstance(value, str) or value not in entries:
            closest = did_you_mean(str(value), entries.names())
            raise Misfit(key, f"={short(value)}: no {entries.name} is named {short(value)}: {closest}")

    return check


def optional(check: Check) -> Check:
    """That, or None."""
    return lambda value, key: None if value is None else check(value, key)


def listed(check: Check) -> Check:
    """A list of those."""

    def check_each(value: Any, key: str) -> None:
        if not isinstance(value, list | tuple):
            raise Misfit(key, f"={short(value)}: give a list")
        for index, item in enumerate(value):
            check(item, f"{key}.{index}")

    return check_each


def one_or_several(check: Check) -> Check:
    """One of those, or a list of them."""
    return lambda value, key: (listed(check) if isinstance(value, list | tuple) else check)(value, key)


def named(check: Check) -> Check:
    """A dict of names and those."""

    def check_each(value: Any, key: str) -> None:
        for name, item in _items(a_dict(value, key), key):
            if not name.isidentifier():
                raise Misfit(key, f": {name!r} is no name: give letters, digits and underscores")
            check(item, f"{key}.{name}")

    return check_each


def fields(others: Any, *needed: str, **parts: Check) -> Check:
    """A dict of these parts; what else there is are options of `others`."""

    def check(value: Any, key: str) -> None:
        for name in needed:
            if name not in a_dict(value, key):
                raise Misfit(key, f"={short(value)}: it needs '{name}'")
        _check_options(others, a_dict(value, key), key, parts, ())
        for name, item in _items(value, key):
            parts.get(name, anything)(item, f"{key}.{name}")

    return check


def a_dict(value: Any, key: str) -> Mapping[str, Any]:
    """The value.

    Raises:
        Misfit: it is no dict.
    """
    if not isinstance(value, Mapping):
        raise Misfit(key, f"={short(value)}: give a dict")
    return value


def nothing() -> None:
    """What has no options."""


def _check_options(
    found: Any, value: Mapping[str, Any], key: str, parts: Mapping[str, Check], builders: Sequence[str] = BUILDER_KEYS
) -> None:
    """Names and values of options; those of `parts` by these checks, those of `builders` by none."""
    if "_scope_" in value:
        raise Misfit(key, "._scope_ would import a package: leave it out, names are found without it")
    parts = {**parts, **slot_options(found, value.get("type"))}
    options, more = options_of(found)
    for name, item in _items(value, key):
        if name in parts:
            parts[name](item, f"{key}.{name}")
        elif name not in options and not more and name not in builders:
            owner = f"{value['type']} has" if builders and "type" in value else "there is"
            raise Misfit(key, f": {owner} no option '{name}': {did_you_mean(name, {*options, *parts} - {'self'})}")
        elif at := misfit(found, name, item):
            raise Misfit(f"{key}.{name}{at[0]}", at[1])


def slot_options(found: Any, kind: Any) -> Mapping[str, Check]:
    """What a config's dict of a loss or a head may hold beside the entry's own options."""
    slots = {registry.LOSSES: TERM_OPTIONS, registry.HEADS: HEAD_OPTIONS}
    named = (options for entries, options in slots.items() if isinstance(kind, str) and found is entries.find(kind))
    return next(named, {}) if found is not None else {}


def _check_type(value: Mapping[str, Any], key: str, names: Iterable[str] = ()) -> None:
    kind = value.get("type")
    if kind is None and "type" not in value:
        raise Misfit(key, f"={short(value)}: it needs a type: {did_you_mean('', names)}")
    if not isinstance(kind, str) or not kind:
        raise Misfit(f"{key}.type", f"={short(kind)}: give a name")


def _find(kind: str) -> Any:
    """What a type names in any registry; None: nothing."""
    everywhere = (*registry.PLUGIN_REGISTRIES, *registry.RUNNER_CHILDREN)
    return next((found for entries in everywhere if (found := entries.find(kind)) is not None), None)


def _items(value: Any, key: str) -> Iterable[tuple[Any, Any]]:
    if not isinstance(value, Mapping):
        return enumerate(value)
    for name in value:
        if not isinstance(name, str) or not name:
            raise Misfit(key, f"={short(value)}: {name!r} is no name for a key")
    return value.items()


HEAD_OPTIONS = {"augment": optional(entry(registry.AUGMENTATIONS))}
TERM_OPTIONS = {"weight": plain(float), "head": plain(str | None), "every": plain(Count)}
