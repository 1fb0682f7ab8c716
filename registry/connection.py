"""Which registry is meant, and how long to wait for it.

By itself MLflow reports an absent server after about four minutes, a silent one after a quarter of an hour
(7 retries of 120 s) and an absent database after three minutes. Here a question about models, versions and
runs waits at most REQUEST_TIMEOUT_S for each of 1 + REQUEST_RETRIES attempts: a refused connection is
reported within about 5 s, a silent one within about 35 s. Uploads and downloads may be silent for longer, as a
proxied gigabyte is: TRANSFER_TIMEOUT_S for each of 1 + TRANSFER_RETRIES attempts at the first file that fails, about
four minutes. What the user sets in MLflow's variables holds instead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from registry.database import bound_waiting

REQUEST_TIMEOUT_S = 10
REQUEST_RETRIES = 2
TRANSFER_TIMEOUT_S = 120
TRANSFER_RETRIES = 1
_SETTINGS: Mapping[str, str] = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_TIMEOUT_S),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(REQUEST_RETRIES),
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # MLflow prints a link to each run that ends; stdout is for what was asked for.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # For the connections that MLflow opens to PostgreSQL after the first.
    "PGCONNECT_TIMEOUT": str(REQUEST_TIMEOUT_S),
}
_TRANSFER_SETTINGS: Mapping[str, str] = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TRANSFER_TIMEOUT_S),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(TRANSFER_RETRIES),
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where runs are kept and where model versions are; mostly the same place."""

    tracking_uri: str
    registry_uri: str | None

    @classmethod
    def find(cls, tracking_uri: str | None = None, registry_uri: str | None = None) -> Address:
        """What was asked for, else MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI, else ./mlflow.db.

        The database of the current folder is pinned by its full path, so that a later chdir changes nothing.
        The registry is left to MLflow on Databricks, where it is not the tracking server.
        """
        tracking = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or _database_here()
        registry = registry_uri or os.environ.get("MLFLOW_REGISTRY_URI") or None
        if registry is None and not tracking.startswith("databricks"):
            registry = tracking
        return cls(tracking, registry)

    def __str__(self) -> str:
        return without_password(self.registry_uri or self.tracking_uri)

    def artifacts_of(self, experiment: str) -> str | None:
        """Where a new experiment's artifacts belong: beside a SQLite file, so that both move together.

        MLflow itself would take ./mlruns of whichever folder the first caller stood in. None leaves the choice
        to the server or to _MLFLOW_SERVER_ARTIFACT_ROOT.
        """
        path = self.tracking_uri.removeprefix("sqlite:///")
        if path == self.tracking_uri or not path or "_MLFLOW_SERVER_ARTIFACT_ROOT" in os.environ:
            return None
        return (Path(path).resolve().parent / "mlruns" / experiment).as_uri()


def without_password(uri: str) -> str:
    """The URI as it may be shown: user name kept, password and query dropped."""
    parts = urlsplit(uri)
    if parts.password is None and not parts.query:
        return uri
    user, _, host = parts.netloc.rpartition("@")
    shown = f"{user.partition(':')[0]}@{host}" if user else host
    return parts._replace(netloc=shown, query="").geturl()


def without_user(uri: str) -> str:
    """The URI as others may keep it: a token can stand where a user's name does."""
    parts = urlsplit(uri)
    return (
        parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        if "@" in parts.netloc
        else uri
    )


def _database_here() -> str:
    return f"sqlite:///{Path.cwd() / 'mlflow.db'}"


class _Bounds:
    """The limits in force: MLflow reads them from the environment at each request and takes no argument."""

    def __init__(self, settings: Callable[[], Mapping[str, str]]) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._inside = 0
        self._set: list[str] = []

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                settings = self._settings()
                self._set = [key for key in settings if key not in os.environ]
                os.environ.update({key: settings[key] for key in self._set})

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for key in self._set:
                    os.environ.pop(key, None)


_BOUNDS = _Bounds(lambda: _SETTINGS)
_TRANSFER_BOUNDS = _Bounds(lambda: _TRANSFER_SETTINGS)


@contextmanager
def bounded_requests() -> Iterator[None]:
    """Requests made inside end within the stated time.

    What the user set for MLflow is respected, and the process's environment is as before once the last thread
    has left. Until then other threads' MLflow requests wait no longer than ours.
    """
    _BOUNDS.enter()
    try:
        yield
    finally:
        _BOUNDS.leave()


@contextmanager
def bounded_transfers() -> Iterator[None]:
    """As `bounded_requests`, for what is uploaded and downloaded inside."""
    _TRANSFER_BOUNDS.enter()
    try:
        yield
    finally:
        _TRANSFER_BOUNDS.leave()


def probe_database(uri: str) -> None:
    """Connect once, for MLflow tries an absent database ten times in 200 s. Raises SQLAlchemyError.

    Does nothing for a file or a web address.
    """
    if not uri.startswith(("postgresql", "mysql")):
        return
    import sqlalchemy

    bound_waiting(sqlalchemy.make_url(uri))
    limit = {"connect_timeout": REQUEST_TIMEOUT_S}
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool, connect_args=limit)
    engine.connect().close()
    engine.dispose()
