"""What the fields of a `Preprocess` may be; each raises ValueError with the field's name on anything else."""

import json
import math
from collections.abc import Sequence
from typing import Any

Pair = tuple[int, int]
Channels = tuple[float, float, float]


def length_or_pair(field: str, value: object) -> int | Pair | None:
    """A length in pixels, or (height, width), or None."""
    if value is None:
        return None
    return pair(field, value) if isinstance(value, list | tuple) else _length(field, value)


def pair(field: str, value: object) -> Pair:
    """(height, width) in pixels, each at least 1."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        hint = f"{value}, {value}" if is_length(value) else "height, width"
        raise ValueError(
            f"Preprocess {field} is {value!r}; it must be (height, width), say {field}=({hint})."
        )
    return _length(field, value[0]), _length(field, value[1])


def _length(field: str, value: object) -> int:
    if not is_length(value):
        raise ValueError(f"Preprocess {field} has {value!r}; a length in pixels is an int of at least 1.")
    assert isinstance(value, int)
    return value


def is_length(value: object) -> bool:
    """Whether it is a length in pixels."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def channels(field: str, value: object) -> Channels:
    """3 finite numbers."""
    numbers = value if isinstance(value, list | tuple) else ()
    if len(numbers) != 3 or not all(_is_number(number) for number in numbers):
        raise ValueError(
            f"Preprocess {field} is {value!r}; it must be 3 finite numbers, one each for red, green and "
            "blue, in units of [0, 1]."
        )
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def one_of(field: str, value: object, allowed: Sequence[str]) -> None:
    """Raises on what is not allowed."""
    if value not in allowed:
        raise ValueError(f"Preprocess {field} is {value!r}; it must be one of {allowed}.")


def json_object(text: str | bytes) -> dict[str, Any]:
    """The keys of a recipe that was written."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"Preprocess is not JSON: {error}. It is written by Preprocess.to_json()."
        ) from error
    if not isinstance(fields, dict):
        raise ValueError(
            f"Preprocess is {fields!r}; it must be a JSON object, as Preprocess.to_json() writes it."
        )
    return fields
