"""What a kind of prediction was told when a version was registered, such as a threshold: data, part of the model."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS = "settings.json"
"""Beside the graphs of a version; there is none where nothing was set."""
Value = bool | float | str


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a kind can be told; `default` None is off. `wanted`: what `fits` takes, in words."""

    name: str
    wanted: str
    fits: Callable[[Any], bool]
    default: Value | None = None


def switch(name: str) -> Setting:
    """One that is on or off."""
    return Setting(name, "true", lambda value: value is True)


def share(name: str, default: float | None = None) -> Setting:
    """A number of 0 to 1, without the ends."""
    return Setting(name, "a number above 0 and below 1", _is_share, default)


def chosen(known: tuple[Setting, ...], given: Mapping[str, Any], kind: str) -> dict[str, Value]:
    """All that is set: as given, else by default. Raises ValueError on what the kind does not know, or take."""
    names = [setting.name for setting in known]
    for name in given:
        if name not in names:
            raise ValueError(
                f"A model of kind {kind!r} has no setting {name!r}; it has {', '.join(names) or 'none'}."
            )
    said = {setting.name: given.get(setting.name, setting.default) for setting in known}
    for setting in known:
        value = said[setting.name]
        if value is not None and not setting.fits(value):
            raise ValueError(f"{setting.name} is {value!r}; it must be {setting.wanted}.")
    return {name: value for name, value in said.items() if value is not None}


def write(settings: Mapping[str, Value], graphs: Path) -> None:
    """Beside the graphs, if there is anything."""
    if settings:
        (graphs / SETTINGS).write_text(json.dumps(settings, sort_keys=True) + "\n")


def read(graphs: Path) -> dict[str, Value]:
    """What `write` wrote; nothing where there is no such file."""
    file = graphs / SETTINGS
    found: dict[str, Value] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < 1
