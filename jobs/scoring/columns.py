"""Columns by their names as people write them: with dots, blanks and backticks, and fields of structs."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, DataType, StringType, StructType

from ..errors import InputError
from .options import ScoreOptions


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


def photo(frame: DataFrame, options: ScoreOptions) -> Column:
    """What workers make a photo of: bytes, or struct<bytes, path> where some have to be fetched (`are_fetched`)."""
    if options.path_column is not None:
        return F.struct(
            F.lit(None).cast("binary").alias("bytes"), the(frame, options.path_column).alias("path")
        )
    content = the(frame, options.content_column)
    if not are_fetched(frame, options):
        return content
    return F.struct(content.getField("bytes").alias("bytes"), content.getField("path").alias("path"))


def are_fetched(frame: DataFrame, options: ScoreOptions) -> bool:
    """Whether rows may name their photos by addresses."""
    found = find(frame, options.content_column)
    return options.path_column is not None or (found is not None and _is_photo(found.type))


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


def check(frame: DataFrame, options: ScoreOptions, taken: Sequence[str]) -> None:
    """Raises InputError unless there are photos, or their addresses, and every kept column exists and is free to keep.

    Photos are a binary column, or a struct<bytes, path> as Hugging Face's data sets have them.
    """
    if options.path_column is None:
        _check_content(frame, options.content_column)
    else:
        _check_addresses(frame, options.path_column)
    check_kept(frame, options.keep, taken)


def _check_addresses(frame: DataFrame, name: str) -> None:
    found = find(frame, name)
    if found is None:
        raise InputError(
            f"There is no column {name!r}; there are {sorted(frame.columns)}. Name it with --path-column."
        )
    if not isinstance(found.type, StringType):
        raise InputError(
            f"Column {name!r} is of type {found.type.simpleString()}, but addresses must be strings. Photos' bytes "
            "are named with --content-column."
        )


def _check_content(frame: DataFrame, content: str) -> None:
    found = find(frame, content)
    if found is None:
        raise InputError(
            f"There is no column {content!r}; there are {sorted(frame.columns)}. Name it with --content-column."
        )
    if not isinstance(found.type, BinaryType) and not _is_photo(found.type):
        raise InputError(
            f"Column {content!r} is of type {found.type.simpleString()}, but photos must be binary. "
            f"{_hint(found.type, content)}Binary columns: {_binary(frame.schema) or 'none'}."
        )


def check_kept(frame: DataFrame, keep: Sequence[str], taken: Sequence[str]) -> None:
    """Raises InputError unless every kept column exists and is free to keep."""
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
    return (
        f"Where it holds base64, cast it first: unbase64({quoted(name)}). Where it holds addresses or paths, name it "
        "with --path-column. "
    )


def _is_photo(kind: DataType) -> bool:
    """As data sets of images are in Parquet: the bytes, or where they are."""
    if not isinstance(kind, StructType):
        return False
    types = {field.name: field.dataType for field in kind.fields}
    return isinstance(types.get("bytes"), BinaryType) and isinstance(types.get("path"), StringType)


def _binary(struct: StructType, prefix: str = "") -> list[str]:
    """The binary columns, and binary fields of structs, by the names that `find` takes."""
    found = []
    for field in struct.fields:
        if isinstance(field.dataType, BinaryType):
            found.append(prefix + field.name)
        elif isinstance(field.dataType, StructType):
            found += _binary(field.dataType, f"{prefix}{field.name}.")
    return sorted(found)
