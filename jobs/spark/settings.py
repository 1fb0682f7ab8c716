"""Settings of a session for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.sql import SparkSession


@contextmanager
def set_for_now(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """The settings hold inside, and are afterwards what they were."""
    before: dict[str, str | None] = {name: spark.conf.get(name, None) for name in settings}
    for name, now in settings.items():
        spark.conf.set(name, now)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, value)
