"""A model's schema: MLflow's signature as one line of JSON, so that it fits into a tag, and what differs in two.

MLflow keeps it in the file MLmodel. Versions do not change, so it is copied when they are registered, and
nobody needs to download a model to know its columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

MLMODEL = "MLmodel"
PARTS = ("inputs", "outputs", "params")


def schema_of(directory: Path) -> str | None:
    """The schema of a verified model directory; None where its MLmodel has none."""
    file = directory / MLMODEL
    if not file.is_file():
        return None
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    signature = said.get("signature") if isinstance(said, dict) else None
    if not signature:
        return None
    parts = {part: json.loads(signature[part]) for part in PARTS if signature.get(part)}
    return json.dumps(parts, separators=(",", ":"), sort_keys=True)


def differences(before: str, after: str, additions: bool) -> list[str]:
    """What in `after` would break, or with `additions` false merely differs for, a user of `before`.

    An addition is a new output, a new param, or a new input that may be left out.
    """
    old, new = json.loads(before), json.loads(after)
    return [
        difference
        for part in PARTS
        for difference in _part(part[:-1], _named(old.get(part)), _named(new.get(part)), additions)
    ]


def _part(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], additions: bool) -> list[str]:
    lost = [f"{kind} {name!r} is gone" for name in old if name not in new]
    changed = [f"{kind} {name!r} changed" for name in old if name in new and old[name] != new[name]]
    added = [
        f"{kind} {name!r} is new"
        for name in new
        if name not in old and not (additions and _optional(kind, new[name]))
    ]
    return lost + changed + added


def _optional(kind: str, column: Mapping[str, Any]) -> bool:
    return kind != "input" or column.get("required") is False


def _named(columns: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Columns by name; those of unnamed ones, as tensors have, by position."""
    return {str(column.get("name", place)): column for place, column in enumerate(columns or [])}
