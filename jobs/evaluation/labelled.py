"""Labelled photos: a CSV that says which class each photo of a folder shows, and the rows of those photos."""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from registry import ModelVersion
from registry.gates.evidence import checked_dataset

from ..errors import InputError
from ..scoring import columns, sources
from ..scoring.options import ScoreOptions
from ..scoring.sources import Source
from ..spark import local_reading

FILE_COLUMN, CLASS_COLUMN, CLASSES_COLUMN = "file", "class_index", "class_indices"
# Columns that go along with each photo; the prefix keeps them apart from a table's own.
NAME, TRUTH, PHOTO_DIGEST = "_stagewright_file", "_stagewright_class", "_stagewright_sha256"
CLASSIFIER = "classifier"
PATH = "path"


@dataclass(frozen=True, slots=True)
class Labels:
    """`classes`: name of a photo below the folder -> index of its class; `lines`: where the CSV says so.

    Where a photo may have several, they are text: the indices in rising order with blanks between them.
    """

    path: str
    classes: Mapping[str, int | str]
    lines: Mapping[str, int]

    @classmethod
    def read(cls, path: str, class_count: int) -> "Labels":
        """Raises InputError, with the line, on whatever is no list of photos and classes of this model."""
        return cls._read(path, CLASS_COLUMN, lambda text, line: _class(text, class_count, path, line))

    @classmethod
    def read_sets(cls, path: str, class_count: int) -> "Labels":
        """The same, with any number of classes for each photo: `class_indices`, with blanks between them."""

        def indices(text: str, line: int) -> str:
            found = {_class(index, class_count, path, line) for index in text.split()}
            return " ".join(map(str, sorted(found)))

        found = cls._read(path, CLASSES_COLUMN, indices)
        if not any(found.classes.values()):
            raise InputError(
                f"{path}: no photo has any class, and so nothing that could be found; write their positions, the first "
                f"being 0, with blanks between them into {CLASSES_COLUMN}."
            )
        return found

    @classmethod
    def _read(cls, path: str, column: str, parse: Callable[[str, int], int | str]) -> "Labels":
        classes: dict[str, int | str] = {}
        lines: dict[str, int] = {}
        for line, row in _rows(path, column):
            name = _name(row, path, line)
            if name in lines:
                raise InputError(f"{path} line {line}: {name!r} is on line {lines[name]} already; keep one.")
            classes[name], lines[name] = parse((row[column] or "").strip(), line), line
        if not classes:
            raise InputError(f"{path} has no photo below its heading; write one line `file,{column}` each.")
        return cls(path, classes, lines)


def check_classifier(version: ModelVersion) -> None:
    """Raises InputError on a version whose answers are no classes."""
    if version.kind != CLASSIFIER:
        raise InputError(
            f"{version.pinned_uri} is of kind {version.kind!r}, and only a classifier's answer is a class, of which "
            "two versions can give the same. Name versions of kind 'classifier': `stagewright versions NAME` shows it."
        )


def settings_of(model: Path) -> dict[str, Any]:
    """What the kind of a model directory was told when it was registered."""
    file = model / "artifacts" / "model" / "settings.json"
    said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return said


def class_names(model: Path) -> list[str]:
    """The labels of a classifier's model directory, by class. Two may be equal: ImageNet has two cranes."""
    names: list[str] = json.loads((model / "artifacts" / "model" / "labels.json").read_text(encoding="utf-8"))
    return names


def dataset_name(given: str | None, folder: str) -> str:
    """The data set's name: as given, else the folder's with '-' for what no tag can hold. Raises InvalidName."""
    if given is not None:
        return checked_dataset(given)
    last = PurePosixPath(folder.rstrip("/") or "/").name or "photos"
    if last in (".", ".."):
        last = Path(folder).resolve().name
    return checked_dataset(re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")[:64] or "photos")


def read(images: DataFrame, source: Source, labels: Labels, options: ScoreOptions) -> tuple[DataFrame, int]:
    """The labelled photos of a folder with NAME, TRUTH and PHOTO_DIGEST, and how many others are in it.

    Raises InputError where `source` is no folder, or a photo is not in it.
    """
    named = with_names(images, source, PATH)
    check_folder(images.sparkSession, source)
    return labelled(with_digests(named, options), labels, source.path)


def check_folder(spark: SparkSession, source: Source) -> None:
    """Raises InputError where labels have no folder to name photos in."""
    if sources.folder(spark, source) is None:
        raise InputError(f"{source.path!r} is no folder, and labels name photos by their path in one.")


def with_names(images: DataFrame, source: Source, key: str) -> DataFrame:
    """`images` with NAME: a photo's path below the folder, or `key` where the source is no folder."""
    root = sources.folder(images.sparkSession, source)
    return images.withColumn(NAME, _text(columns.the(images, key)) if root is None else _below(root))


def name_of(spark: SparkSession, source: Source, key: str) -> Column:
    """What a report calls a photo by: its path below the folder where `key` is that, else `key` as it is."""
    root = sources.folder(spark, source)
    return _text(F.col(columns.quoted(key))) if root is None or key != PATH else _below(root)


def _below(root: str) -> Column:
    return F.substr(F.col(PATH), F.lit(len(root) + 2))


def _text(key: Column) -> Column:
    # concat_ws leaves nulls out, and two rows that differ must not read alike.
    return F.coalesce(key.cast("string"), F.lit(""))


def with_digests(images: DataFrame, options: ScoreOptions) -> DataFrame:
    """`images` with PHOTO_DIGEST: SHA-256 of each photo's bytes, in hex; empty where there is no photo."""
    content = columns.the(images, options.content_column)
    digest = local_reading.digests()(content) if options.content_as == "path" else F.sha2(content, 256)
    return images.withColumn(PHOTO_DIGEST, F.coalesce(digest, F.lit("")))


def labelled(images: DataFrame, labels: Labels, where: str) -> tuple[DataFrame, int]:
    """The rows of `images`, which have NAME, that `labels` name, with TRUTH; and how many it leaves out.

    Looks at the names, not at the photos. Raises InputError where a photo is not there, or there twice.
    """
    there = [row[0] for row in images.select(NAME).collect()]
    _check_there(labels, there, where)
    several = any(isinstance(said, str) for said in labels.classes.values())
    kind = StringType() if several else LongType()
    schema = StructType([StructField(NAME, StringType()), StructField(TRUTH, kind)])
    truth = images.sparkSession.createDataFrame(list(labels.classes.items()), schema)
    return images.join(F.broadcast(truth), NAME), len(there) - len(labels.classes)


def digest_line() -> Column:
    """What a row of NAME, TRUTH and PHOTO_DIGEST adds to `dataset_digest`: 64 hex digits."""
    return F.sha2(F.concat_ws("\n", NAME, F.col(TRUTH).cast("string"), PHOTO_DIGEST), 256)


def dataset_digest(lines: Iterable[str]) -> str:
    """SHA-256 of the sorted `digest_line`s, so of every photo's name, class and bytes, in whatever order."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _rows(path: str, truth: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            for column in (FILE_COLUMN, truth):
                if column not in header:
                    raise InputError(
                        f"{path} has no column {column!r}; it has {list(header)}. Its first line must name the "
                        f"columns, {FILE_COLUMN},{truth}; more columns do no harm."
                    )
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"The labels cannot be read: {error}. Hand over a CSV with {FILE_COLUMN},{truth}."
        ) from error


def _name(row: Mapping[str, Any], path: str, line: int) -> str:
    name = (row[FILE_COLUMN] or "").strip()
    if not name:
        raise InputError(
            f"{path} line {line}: no {FILE_COLUMN} is named; write a photo's path in the folder."
        )
    return PurePosixPath(name).as_posix()


def _class(text: str, class_count: int, path: str, line: int) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise InputError(
            f"{path} line {line}: class_index {text!r} is no whole number; write the position of the class among "
            "the model's labels, the first being 0."
        )
    if not 0 <= int(text) < class_count:
        raise InputError(
            f"{path} line {line}: class_index {int(text)} is out of range; the model has {class_count} classes, "
            f"0 to {class_count - 1}, in the order of its labels."
        )
    return int(text)


def _check_there(labels: Labels, there: list[str], where: str) -> None:
    known = set(there)
    missing = [name for name in labels.classes if name not in known]
    if missing:
        first = missing[0]
        alike = sorted(name for name in known if PurePosixPath(name).name == PurePosixPath(first).name)
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        hint = f"There is {alike[0]!r}. " if alike else ""
        raise InputError(
            f"{labels.path} line {labels.lines[first]}: there is no photo {first!r}{more} in {where!r}. {hint}"
            "Names are paths below that folder, and end as photos do."
        )
    twice = sorted(name for name, count in Counter(there).items() if count > 1 and name in labels.classes)
    if twice:
        raise InputError(f"{twice[0]!r} is the key of more than one photo in {where!r}; keys must differ.")
