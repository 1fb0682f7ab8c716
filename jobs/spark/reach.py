"""What a session is asked besides what PySpark has for all: by its JVM, or by a Spark Connect server itself."""

import posixpath
import re
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import SparkSession

from . import connect, jvm
from .paths import literal


class Reach(Protocol):
    """The same questions to either kind of session."""

    def application(self) -> str:
        """What is shipped to workers, and made ready for them, lives as long as this."""

    def exists(self, path: str) -> bool:
        """Whether there is anything at a path."""

    def is_folder(self, path: str) -> bool:
        """Whether it is one."""

    def qualified(self, path: str) -> str:
        """A path as Spark writes it in a column, its file system in front."""


@dataclass(frozen=True, slots=True)
class Classic:
    """A session with a JVM of its driver's own."""

    spark: SparkSession

    def application(self) -> str:
        """Its SparkContext's."""
        return str(self.spark.sparkContext.applicationId)

    def exists(self, path: str) -> bool:
        """By Hadoop."""
        return jvm.exists(self.spark, path)

    def is_folder(self, path: str) -> bool:
        """By Hadoop."""
        return jvm.is_folder(self.spark, path)

    def qualified(self, path: str) -> str:
        """By Hadoop."""
        return jvm.qualified(self.spark, path)


@dataclass(frozen=True, slots=True)
class Served:
    """A session of a Spark Connect server, which has no call for any of this: it is asked by what it can read."""

    spark: SparkSession

    def application(self) -> str:
        """A session's artifacts are its own."""
        session: str = self.spark.session_id  # type: ignore[attr-defined]
        return session

    def exists(self, path: str) -> bool:
        """Whether the server could read it."""
        return connect.exists(self.spark, literal(path))

    def is_folder(self, path: str) -> bool:
        """Whether there is anything in it: an empty one is as good as none."""
        return connect.exists(self.spark, f"{literal(path.rstrip('/'))}/*")

    def qualified(self, path: str) -> str:
        """By the first file below a folder: only the server knows its default file system."""
        plain = posixpath.normpath(path) if path.startswith("/") else path.rstrip("/")
        if "://" in path or path.startswith("file:"):
            return re.sub("^file:/*", "file:/", plain)
        first = next(iter(connect.listed_paths(connect.all_below(self.spark, literal(plain)))), plain)
        return first[: first.find(f"{plain}/") + len(plain)]


def of(spark: SparkSession) -> Reach:
    """How a session is asked."""
    return Served(spark) if connect.is_one(spark) else Classic(spark)
