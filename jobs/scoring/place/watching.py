"""What chunks tell while they are made: how many rows there are, and whether too many of them are bad."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from pyspark.sql import SparkSession

from ...meanwhile import every
from .counting import Counts, counts
from .writer import Told

_TAG = "stagewright-score"
_LOOK_S = 1.0


class Watch:
    """Looks at what chunks have told while they are made, and ends the Spark job once too many rows are bad.

    `before` is what was there already, `rows` how many there will be at most, which is asked for once it matters.
    """

    def __init__(self, before: Counts, rows: Callable[[], int], max_error_rate: float) -> None:
        self._before = before
        self._rows = cache(rows)
        self._rate = max_error_rate
        self.ended = False
        self.told: Told = {}
        self._telling: Any = None

    def now(self) -> Counts:
        """What is there at this moment, as far as tasks have told."""
        return self._before + counts(list((self._telling.value if self._telling else self.told).values()))

    @contextmanager
    def watching(self, spark: SparkSession, told: Any) -> Iterator[None]:
        """Look at the accumulator `told` while inside. What Spark raises because of that does not leave."""

        def look() -> bool:
            self.ended = self._is_lost()
            if self.ended:
                spark.interruptTag(_TAG)
            return self.ended

        self._telling = told
        spark.addTag(_TAG)
        try:
            with every(_LOOK_S, look, "budget"):
                yield
        finally:
            spark.removeTag(_TAG)
            self.told = dict(told.value)

    def _is_lost(self) -> bool:
        """Whether more rows are bad than may be if all that are left were good."""
        now = self.now()
        # How many rows there are is not asked while there is room even among those that are done.
        return now.bad > self._rate * now.rows and now.bad > self._rate * self._rows()
