"""One command in a process of its own: the real job, or the real command line, with ends and waits where asked for."""

import json
import os
import resource
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults import points


def imports() -> None:
    """What every driver needs, imported and nothing of it used: no connection, no thread that a fork would lose."""
    import alembic.command  # noqa: F401
    import deltalake  # noqa: F401
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import pyspark.sql  # noqa: F401

    import jobs
    import jobs.cli
    import jobs.cli.scoring
    import jobs.scoring.batch  # noqa: F401


def run(order: Mapping[str, Any], folder: Path) -> None:
    """Do what is ordered, leave `said.json` in `folder`, and end this process."""
    code = 70
    try:
        _prepare(order, folder)
        said = points.Points(order["at"], folder)
        said.install()
        code, found = _command_line(order) if order["gateway"] is None else _job(order)
        (folder / "said.json").write_text(json.dumps({**found, **said.counted()}))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _prepare(order: Mapping[str, Any], folder: Path) -> None:
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, file in ((0, null), (1, log), (2, log)):
        os.dup2(file, descriptor)
    os.environ.update(order["environment"])
    tempfile.tempdir = None
    for name, most in order["limits"].items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _command_line(order: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    import click

    from jobs.cli import main

    words = ["score", order["uri"], "--input", order["input"], "--input-format", order["input_format"]]
    words += [
        "--output",
        order["output"],
        "--output-format",
        order["output_format"],
        "--master",
        order["master"],
    ]
    words += [word for name in order["keep"] for word in ("--keep", name)]
    words += [word for pair in order["conf"].items() for word in ("--conf", "=".join(pair))]
    words += ["--follow"] if order["follow"] else []
    sys.argv = ["stagewright", *words, "--max-error-rate", "1", "--json"]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0), {}
    except click.ClickException as error:
        return error.exit_code, {"error": str(error)}
    return 0, {}


def _job(order: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    from jobs import ScoreJob, ScoreOptions, Sink, Source
    from jobs import run as run_job
    from registry import Registry

    spark = attached(order["gateway"], order["cancel"])
    for name, value in order["conf"].items():
        spark.conf.set(name, value)
    job = ScoreJob(
        order["uri"],
        Source(order["input"], order["input_format"]),
        Sink(order["output"], order["output_format"]),
        ScoreOptions(keep=tuple(order["keep"])),
        max_error_rate=1.0,
        follow=order["follow"],
    )
    try:
        report = run_job(spark, Registry(), job, _say)
    except Exception as error:
        traceback.print_exc()
        return 1, {"fault": type(error).__name__, "error": str(error)}
    return 0, {"rows": report.rows, "rows_before": report.rows_before}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def attached(gateway: Mapping[str, Any], cancel: bool) -> Any:
    """A session of the JVM behind `gateway`, whose context outlives this process."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_GATEWAY_PORT"] = str(gateway["port"])
    os.environ["PYSPARK_GATEWAY_SECRET"] = gateway["secret"]
    there: Any = launch_gateway()
    jvm = there.jvm
    running = jvm.org.apache.spark.SparkContext.getOrCreate()
    if cancel:
        running.cancelAllJobs()
    java = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(running)
    SparkContext._ensure_initialized(gateway=there)
    context = SparkContext(gateway=there, jsc=java, conf=SparkConf(_jconf=java.getConf()))
    session = jvm.org.apache.spark.sql.classic.SparkSession.builder().getOrCreate().newSession()
    return SparkSession(context, session)
