"""A table or view that the session knows by its name."""

from .source import Reader, Rows

READER = Reader(("table",), rows=lambda spark, source: Rows(spark.table(source.path)))
