"""Whatever Spark reads by a format's name: parquet, orc, json, avro, delta, binaryFile."""

from .source import Reader, Rows

READER = Reader(None, rows=lambda spark, source: Rows(spark.read.format(source.format).load(source.path)))
