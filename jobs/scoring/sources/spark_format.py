"""Whatever Spark reads by a format's name: parquet, orc, json, avro, delta, binaryFile."""

from .source import Reader

READER = Reader(None, frame=lambda spark, source: spark.read.format(source.format).load(source.path))
