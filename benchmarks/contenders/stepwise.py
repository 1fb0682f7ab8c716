"""stagewright's job a step at a time: what `benchmarks.startup` runs; seconds of each part go beside the output."""

import json
import time
from pathlib import Path

from ..workload import URI, Workload

SECONDS = "seconds.json"


class Laps:
    """Seconds since the lap before, by name, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def end(self, part: str) -> None:
        """The part that ends now."""
        now = time.monotonic()
        self.seconds[part] = now - self._since
        self._since = now


def run(workload: Workload) -> None:
    """Score and write twice, first a single photo."""
    laps = Laps()
    from jobs import ScoreOptions, Sink, Source, open_session, score
    from jobs.scoring import sinks, sources
    from registry import Registry

    laps.end("import stagewright, pyspark and mlflow")
    spark = open_session(master=f"local[{workload.cores}]")
    laps.end("start the JVM and the session")
    registry = Registry(workload.registry)
    version = registry.resolve(URI)
    laps.end("resolve the stage")
    source = Source(workload.photos)
    reading = sources.read_for(spark, source, ScoreOptions(), takes_paths=True)
    laps.end("list the photos")
    predictions = score(reading.rows, version, registry=registry, options=reading.options)
    laps.end("fetch and verify the version, make the UDF")
    predictions.limit(1).collect()
    laps.end("first prediction: start a worker, import, load, predict")
    sinks.write(predictions, Sink(workload.output))
    laps.end("all photos, on all workers, and write")
    spark.stop()
    laps.end("stop")
    Path(workload.output).with_name(SECONDS).write_text(json.dumps(laps.seconds))
