"""A failed Spark job -> one line that says what happened, and what to do about it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from ..errors import JobFailed

# `package.module.SomeError: what it says`, the last line of a Python traceback.
_RAISED = re.compile(r"^[\w.]+(Error|Exception|Unavailable)\b.*: ")
# `Lost task 0.3 in stage 1.0 (TID 3) (host executor 1): ` and then what it died of.
_LOST_TASK = re.compile(r"most recent failure: Lost task .*?\): (.*)")
_JAVA_CLASS = re.compile(
    r"^(?:Caused by: |: )?(?:java|javax|jdk|sun|scala|org|com|net|io)\.[\w.$]*(?:Exception|Error)(?:: |$)"
)
# py4j's name for the call that failed says nothing.
_PY4J = "An error occurred while calling "
# What Spark or the system says of it -> what a person says.
_KNOWN: tuple[tuple[str, Callable[[str], str]], ...] = (
    (
        r"Python worker exited unexpectedly|(Socket|IO)Exception: (Broken pipe|Connection reset)|EOFException",
        lambda said: (
            "A Python worker ended without a word: it crashed, or was killed, mostly by the system for want of "
            "memory. Look at the system's log; fewer workers at once (--conf spark.task.cpus=N) take less memory."
        ),
    ),
    (r"No space left on device", lambda said: "A disk is full: No space left on device."),
    (
        r"Mkdirs failed|Permission ?[Dd]enied|Read-only file system|Not a directory|ParentNotDirectory",
        lambda said: f"The output cannot be written: {said.rstrip('.')}. Name another, or change its rights.",
    ),
    (
        r"OutOfMemoryError",
        lambda said: (
            f"Spark's JVM ran out of memory: {said.rstrip('.')}. Give it more: --conf spark.driver.memory=4g."
        ),
    ),
)


@contextmanager
def explained() -> Iterator[None]:
    """Spark's own exceptions leave as JobFailed."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise JobFailed(explain(error)) from error


def explain(error: Exception) -> str:
    """What a failed Spark job comes down to: the last line of the worker's traceback, or what the JVM says."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    raised = [line for line in lines if _RAISED.match(line) and not _JAVA_CLASS.match(line)]
    reason = raised[-1] if raised else _of_java(lines) or type(error).__name__
    reason = reason if reason.endswith((".", "!", "?")) else f"{reason}."
    return (
        f"The Spark job failed: {reason} What was written so far is not a result; Spark's log has all of it."
    )


def _of_java(lines: list[str]) -> str:
    for pattern, said in _KNOWN:
        if found := next((line for line in lines if re.search(pattern, line)), None):
            return said(_plain(found))
    told = [line for line in lines if not line.startswith(_PY4J)]
    return _plain(next(iter(told), ""))


def _plain(line: str) -> str:
    """Without the classes of Java's exceptions, and without where the task ran."""
    if lost := _LOST_TASK.search(line):
        line = lost[1]
    while found := _JAVA_CLASS.match(line):
        if found.end() == len(line):
            break
        line = line[found.end() :]
    return line
