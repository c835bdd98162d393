"""The single values of nested configs, and how two configs differ in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PLACES = ("plugin_files", "import_folder")  # where code lies, not what it is
SHOWN = 5


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a nested config that is neither a dict nor a list, with the path to it."""
    if not isinstance(value, dict | list) or not value:
        yield path, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(item, (*path, str(key)))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How many values differ and the first of them, in one line; empty where none does."""
    old, new = ({path: value for path, value in leaves(one) if path[:1] not in _PLACES} for one in (before, now))
    changed = [path for path in {**old, **new} if old.get(path, ...) != new.get(path, ...)]
    shown = [f"{'.'.join(path)}={_shown(new, path)} (was {_shown(old, path)})" for path in changed[:SHOWN]]
    more = f", and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return ", ".join(shown) + more


_PLACES = {(place,) for place in PLACES}


def _shown(values: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    text = repr(values[path]) if path in values else "not there"
    return text if len(text) <= 60 else f"{text[:57]}..."
