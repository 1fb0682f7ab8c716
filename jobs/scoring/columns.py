"""Columns by their names as people write them: with dots, blanks and backticks, and fields of structs."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, DataType, StringType, StructType

from ..errors import InputError


@dataclass(frozen=True, slots=True)
class Found:
    """A column, or a field of a struct, of a DataFrame."""

    column: Column
    type: DataType


def find(frame: DataFrame, name: str) -> Found | None:
    """The column of this very name; else, where it has dots, the field of a struct. None where there is none."""
    found = _in(frame.schema, name)
    if found is None:
        return None
    path, kind = found
    column = F.col(quoted(path[0]))
    for field in path[1:]:
        column = column.getField(field)
    return Found(column, kind)


def kept(frame: DataFrame, keep: Sequence[str]) -> list[Column]:
    """The columns to keep, each under the name that it was asked for by."""
    return [the(frame, name).alias(name) for name in keep]


def the(frame: DataFrame, name: str) -> Column:
    """A column that is known to be there."""
    found = find(frame, name)
    assert found is not None
    return found.column


def quoted(name: str) -> str:
    """A name as Spark takes it for one name, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def check(frame: DataFrame, content: str, keep: Sequence[str], taken: Sequence[str]) -> None:
    """Raises InputError unless `content` is a binary column and every kept column exists and is free to keep."""
    found = find(frame, content)
    if found is None:
        raise InputError(
            f"There is no column {content!r}; there are {sorted(frame.columns)}. Name it with --content-column."
        )
    if not isinstance(found.type, BinaryType):
        raise InputError(
            f"Column {content!r} is of type {found.type.simpleString()}, but photos must be binary. "
            f"{_hint(found.type, content)}Binary columns: {_binary(frame.schema) or 'none'}."
        )
    for name in keep:
        if find(frame, name) is None:
            raise InputError(
                f"There is no column {name!r} to keep; there are {sorted(frame.columns)}. Choose keys with --keep."
            )
        if name in taken:
            raise InputError(
                f"Column {name!r} cannot be kept: predictions have a column of that name. Rename it first."
            )


def _in(struct: StructType, name: str) -> tuple[list[str], DataType] | None:
    if name in struct.names:
        return [name], struct[name].dataType
    for field in struct.fields:
        if name.startswith(f"{field.name}.") and isinstance(field.dataType, StructType):
            within = _in(field.dataType, name[len(field.name) + 1 :])
            if within is not None:
                return [field.name, *within[0]], within[1]
    return None


def _hint(kind: DataType, name: str) -> str:
    if not isinstance(kind, StringType):
        return ""
    return f"Where it holds base64, cast it first: unbase64({quoted(name)}). "


def _binary(struct: StructType, prefix: str = "") -> list[str]:
    """The binary columns, and binary fields of structs, by the names that `find` takes."""
    found = []
    for field in struct.fields:
        if isinstance(field.dataType, BinaryType):
            found.append(prefix + field.name)
        elif isinstance(field.dataType, StructType):
            found += _binary(field.dataType, f"{prefix}{field.name}.")
    return sorted(found)
