"""Columns as people call them: dots, blanks, backticks, and fields of structs."""

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from jobs import InputError, ScoreOptions, score
from jobs.scoring import columns
from mlruns_fixture import PLAIN
from mlruns_fixture.build import Fixture

NAMES = ("a.b", "a b", "a`b", "`", "ä;--", "a.b.c")
RED = PLAIN["red-64x48.jpg"]


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> DataFrame:
    """A photo in a column of each name, one in a field of a struct, and keys of all names."""
    photos = ", ".join(f"{columns.quoted('photo ' + name)} binary" for name in NAMES)
    keys = ", ".join(f"{columns.quoted(name)} string" for name in NAMES)
    schema = f"{photos}, {keys}, image struct<bytes: binary, path: string, `de.ep`: struct<x: binary>>, text string"
    row = [*[bytearray(RED)] * len(NAMES), *NAMES, Row(RED, "p.jpg", Row(RED)), "cGhvdG8="]
    return spark.createDataFrame([tuple(row)], schema)


@pytest.mark.parametrize(
    "content", [*(f"photo {name}" for name in NAMES), "image.bytes", "image.de.ep.x"], ids=repr
)
def test_photos_are_found_in_a_column_of_any_name_and_in_a_field(
    table: DataFrame, fixture: Fixture, content: str
) -> None:
    keep = (*NAMES, "image.path")
    scored = score(
        table, "models:/colours/Production", options=ScoreOptions(content_column=content, keep=keep)
    )
    assert scored.columns[: len(keep)] == list(keep)
    [row] = scored.collect()
    assert row.status == "ok"
    assert row.prediction.label == "red"
    assert row[: len(keep)] == (*NAMES, "p.jpg")


def test_a_column_goes_before_a_field_of_the_same_name(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(Row("field"), "column")], "a struct<b: string>, `a.b` string")
    assert frame.select(columns.the(frame, "a.b")).first() == Row("column")


@pytest.mark.parametrize(
    ("content", "keep", "said"),
    [
        ("image.nothing", (), "There is no column 'image.nothing'"),
        (
            "image.de.ep",
            (),
            r"Column 'image.de.ep' is of type struct.*Binary columns: .*'image.bytes', 'image.de.ep.x'",
        ),
        ("text", (), r"'text' is of type string.*base64, cast it first: unbase64\(`text`\)"),
        ("image.bytes", ("a.x",), "There is no column 'a.x' to keep"),
        ("image.bytes", ("status",), "There is no column 'status' to keep"),
    ],
)
def test_what_is_not_there_or_no_photo_is_told(
    table: DataFrame, fixture: Fixture, content: str, keep: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        score(table, "models:/colours/Production", options=ScoreOptions(content_column=content, keep=keep))
