"""A failed Spark job -> one line that says what happened, and what to do about it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from ..errors import JobFailed

# `package.module.SomeError: what it says`, the last line of a Python traceback.
_RAISED = re.compile(r"^[\w.]+(Error|Exception|Unavailable)\b.*: ")
# What stands before such an error's own name says to nobody where to look.
_MODULE = re.compile(r"^(?:\w+\.)+(?=\w+: )")
# `Lost task 0.3 in stage 1.0 (TID 3) (host executor 1): ` and then what it died of.
_LOST_TASK = re.compile(r"most recent failure: Lost task .*?\): (.*)")
_JAVA_CLASS = re.compile(
    r"^(?:Caused by: |: )?(?:java|javax|jdk|sun|scala|org|com|net|io)\.[\w.$]*(?:Exception|Error)(?:: |$)"
)
_ATTEMPT = re.compile(r"/_temporary/\S*| \(exists=\w+, cwd=\S*\)")
# py4j's name for the call that failed says nothing.
_PY4J = "An error occurred while calling "
# What Spark or the system says of it -> what a person says.
_KNOWN: tuple[tuple[str, Callable[[str], str]], ...] = (
    (
        r"No space left on device",
        lambda said: (
            "A disk is full: No space left on device. Make room where the output is, or where temporary files are "
            "(TMPDIR, or spark.local.dir)."
        ),
    ),
    (
        r"File too large",
        lambda said: "A file would be larger than a process may write here: see `ulimit -f`.",
    ),
    (
        r"Disk quota exceeded",
        lambda said: "The quota of this user is used up, where the output is or where temporary files are.",
    ),
    (r"Too many open files", lambda said: "Too many files are open in one process: raise `ulimit -n`."),
    (
        r"insufficient memory for the Java|Could not reserve enough space|unable to create native thread|"
        r"Cannot allocate memory",
        lambda said: (
            "The system gave Spark's JVM no more memory: see `ulimit -v` and `ulimit -u`, and who else is running; "
            "--conf spark.driver.memory=1g has it ask for less."
        ),
    ),
    (
        r"OutOfMemoryError",
        lambda said: (
            f"Spark's JVM ran out of memory: {said.rstrip('.')}. Give it more: --conf spark.driver.memory=4g."
        ),
    ),
    (
        r"INVALID_DRIVER_MEMORY|System memory \d+ must be at least|(Invalid|Too small) (maximum|initial) heap",
        lambda said: f"Spark's JVM was given too little memory: {said.rstrip('.')}.",
    ),
    (
        r"BindException|Address already in use",
        lambda said: (
            f"A port is taken: {said.partition(' Consider')[0].rstrip('.!')}. Name another in its setting, or leave "
            "the choice to Spark."
        ),
    ),
    (
        r"Unrecognized (VM )?option|Could not create the Java Virtual Machine",
        lambda said: f"{said.rstrip('.')}.",
    ),
    (
        r"UnsupportedClassVersionError|compiled by a more recent version",
        lambda said: "The JDK is too old: Spark needs version 17 or newer. Set JAVA_HOME to one.",
    ),
    (
        r"Python worker exited unexpectedly|(Socket|IO)Exception: (Broken pipe|Connection reset)|EOFException",
        lambda said: (
            "A Python worker ended without a word: it crashed, or was killed, mostly by the system for want of "
            "memory. Look at the system's log; fewer workers at once (--conf spark.task.cpus=N) take less memory."
        ),
    ),
    (
        r"MetadataFetchFailedException|FetchFailedException",
        lambda said: (
            "Executors were lost again and again, and what they had worked out with them. See the logs of their "
            "workers; the system kills what takes more memory than there is."
        ),
    ),
    (
        r"ExecutorLostFailure|Remote RPC client disassociated|Master removed our application|heartbeat timed out",
        lambda said: (
            f"An executor was lost: {said.rstrip('.')}. See the log of its worker; the system kills what takes more "
            "memory than there is."
        ),
    ),
    (
        r"JavaUtils: Failed to create directory|Failed to create any local dir|Failed to create a temp directory",
        lambda said: (
            f"Spark's own temporary files cannot be written: {said.partition(': ')[2] or said}. Name another folder: "
            "--conf spark.local.dir=DIR, or TMPDIR."
        ),
    ),
    (
        r"Mkdirs failed|Permission ?[Dd]enied|Read-only file system|Not a directory|ParentNotDirectory|"
        r"AccessControlException|Operation not permitted",
        lambda said: f"The output cannot be written: {said.rstrip('.')}. Name another, or change its rights.",
    ),
)
# What py4j says of a JVM that is there no more.
_GONE = re.compile(
    r"Answer from Java side is empty|Error while (sending or )?receiving|[Cc]onnection refused|JAVA_GATEWAY_EXITED|"
    r"An error occurred while trying to connect to the Java server"
)
# What a Spark Connect server's client says of one that is there no more, or is another one by now.
_AWAY = re.compile(r"StatusCode\.(UNAVAILABLE|DEADLINE_EXCEEDED)|INVALID_HANDLE\.SESSION|RETRIES_EXCEEDED")
_DETAILS = re.compile(r'details = "(.*)"')
# What a JVM says last of all.
_ENDED = re.compile(r'Exception in thread "main" (.*)')
GONE = "Spark's JVM is gone: it crashed, or was killed, mostly by the system for want of memory."
AWAY = "The Spark Connect server does not answer, or was started anew"
# What to do once the cause is mended: for jobs whose output can be come back to, and for others.
AGAIN = "Run the same command again."
GOES_ON = "Run the same command again: it goes on where it stopped."
ANEW = "What was written so far is not a result; run it again."


@contextmanager
def explained(next_step: str = GOES_ON) -> Iterator[None]:
    """Spark's own exceptions leave as JobFailed, whose message ends with `next_step`."""
    try:
        yield
    except (PySparkException, Py4JError, ConnectionRefusedError) as error:
        raise JobFailed(f"The Spark job failed: {explain(error)} {next_step}") from error


def explain(error: Exception) -> str:
    """What a failed Spark job comes down to: the last line of the worker's traceback, or what the JVM says."""
    text = str(error)
    if is_away(error):
        details = _DETAILS.search(text)
        return f"{AWAY}: {details[1]}." if details else f"{AWAY}."
    if _GONE.search(text):
        return GONE
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    raised = [line for line in lines if _RAISED.match(line) and not _JAVA_CLASS.match(line)]
    reason = _MODULE.sub("", raised[-1]) if raised else _of_java(lines) or type(error).__name__
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."


def is_away(error: Exception) -> bool:
    """Whether a Spark Connect server does not answer, or knows a session no more."""
    return _AWAY.search(str(error)) is not None


def told(log: str) -> str | None:
    """What Spark's log says of why its JVM ended; None where it says nothing of that."""
    lines = [line.strip() for line in log.splitlines() if not line.startswith("\tat ")]
    ended = next((found[1] for line in lines if (found := _ENDED.match(line))), None)
    return _known(lines) or (ended and f"Spark's JVM ended: {_plain(ended)}.")


def _of_java(lines: list[str]) -> str:
    own = [line for line in lines if not line.startswith(_PY4J)]
    return _known(lines) or _plain(next(iter(own), ""))


def _known(lines: list[str]) -> str | None:
    for pattern, said in _KNOWN:
        if found := next((line for line in lines if re.search(pattern, line)), None):
            return said(_plain(found))
    return None


def _plain(line: str) -> str:
    """Without the classes of Java's exceptions, and without where the task ran."""
    if lost := _LOST_TASK.search(line):
        line = lost[1]
    while found := _JAVA_CLASS.match(line):
        if found.end() == len(line):
            break
        line = line[found.end() :]
    # What Hadoop calls a file that is being written, and where the JVM stands.
    return _ATTEMPT.sub("", line)
