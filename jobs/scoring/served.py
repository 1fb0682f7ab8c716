"""What a job on a Spark Connect server can be asked for; the rest takes a session of this process's own."""

from collections.abc import Iterable

from ..errors import InputError
from ..spark import connect
from .job import ScoreJob
from .sources import Source, tar

_INSTEAD = "Run it with --master, or by spark-submit"


def check(job: ScoreJob) -> None:
    """Raises InputError on what a server's session has no way to do, if that is what is meant."""
    _refuse(
        option
        for option, asked in (("--quarantine", job.quarantine is not None), ("--follow", job.follow))
        if asked
    )
    check_source(job.source)
    if not job.sink.is_table:
        check_path("The output", job.sink.path)


def check_source(source: Source) -> None:
    """The same, of what is read."""
    _refuse(
        what
        for what, asked in (
            ("--input-format tar", source.format == tar.FORMAT),
            ("--follow-links", source.follow_links),
        )
        if asked
    )
    if source.format != "table":
        check_path("The input", source.path)


def check_path(what: str, path: str) -> None:
    """Raises InputError on a path that begins from a folder: the server's is not this one."""
    if connect.is_meant() and not path.startswith("/") and ":/" not in path:
        raise InputError(
            f"{what} {path!r}: on a Spark Connect server paths are the server's, which has another working folder. "
            "Write it from / on, or with its file system in front."
        )


def refuse(what: str) -> None:
    """Raises InputError where `what` was asked for on a server."""
    _refuse([what])


def _refuse(asked: Iterable[str]) -> None:
    if connect.is_meant() and (found := ", ".join(asked)):
        raise InputError(
            f"{found}: needs a classic Spark session, and this is one of a Spark Connect server. {_INSTEAD}."
        )
