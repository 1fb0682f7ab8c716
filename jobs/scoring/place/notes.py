"""What an output keeps of itself, read back: it lies where others may write, too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pyarrow as pa

from ...errors import InputError, first_line
from .stores import Store

T = TypeVar("T")


@contextmanager
def readable(store: Store, name: str) -> Iterator[None]:
    """Raises InputError where reading `name` inside shows that it is not what it should be."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, pa.ArrowException, FileNotFoundError) as error:
        raise InputError(
            f"{name} in {store.root!r} cannot be read ({first_line(error)}), so that it is not known what is done "
            "there. Bring it back, or name another output."
        ) from error


def read_json(store: Store, name: str) -> dict[str, Any]:
    """An object of JSON. Raises InputError where it is none."""
    with readable(store, name):
        found = store.read(name)
        said = json.loads(found) if found is not None else None
        if not isinstance(said, dict):
            raise ValueError("it is no object of JSON")
        return said


def read_as(kind: type[T], store: Store, name: str) -> T:
    """The same as a dataclass. Raises InputError where its fields are others."""
    with readable(store, name):
        return kind(**read_json(store, name))
