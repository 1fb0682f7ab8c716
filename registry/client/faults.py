"""MLflow's exceptions, and those of what it stands on, in our words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from requests.exceptions import ChunkedEncodingError, HTTPError, Timeout
from requests.exceptions import ConnectionError as NoConnection
from sqlalchemy.exc import SQLAlchemyError

from registry import machine
from registry.connection import Address, bounded_requests, bounded_transfers
from registry.errors import (
    AccessDenied,
    MachineFault,
    NotFound,
    RegistryError,
    RegistryFault,
    RegistryUnreachable,
)

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
PRESENT = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
# Who asks is known, and may not.
FORBIDDEN = frozenset({"PERMISSION_DENIED"})
_UNAUTHORIZED_STATUS, _FORBIDDEN_STATUS = 401, 403
_WHO = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
_DENIED = FORBIDDEN | {"CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED"}
# A server that lost an endpoint answers by code, Unity Catalog by words under a code for anything.
_UNSUPPORTED = frozenset({"ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED"})
_UNSUPPORTED_SAID = ("is unsupported", "is not supported", "not implemented")
_SILENT = frozenset({"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED"})
# mlflow.utils.rest_utils.http_request gives no code of its own to a request that got no answer.
_NO_ANSWER = "API request to "
_FAILED_WITH = (" failed with exception ", " failed with timeout exception ")
# What the libraries below say of a request without an answer -> what a person says.
_SAID: tuple[tuple[str, str], ...] = (
    (r"[Cc]onnection refused", "the connection is refused"),
    (r"readonly database", "this user may not write to it"),
    (r"unable to open database file", "that file cannot be opened"),
    (r"database is locked", "another process has locked it"),
    (r"database or disk is full", "the disk is full"),
    (r"Read timed out", "it takes the connection and does not answer"),
    (r"timed out|timeout expired", "nobody answers there"),
    (
        r"Name or service not known|Temporary failure in name resolution|Failed to resolve|"
        r"could not translate host name",
        "that host's name is not known",
    ),
    (
        r"[Cc]onnection reset|RemoteDisconnected|[Cc]onnection aborted|[Bb]roken pipe|IncompleteRead|"
        r"server closed the connection",
        "the connection broke",
    ),
)


class Allowed(Exception):
    """MLflow refused in a way that the caller expects."""


class Faults:
    """Blocks of requests to one address, whose faults leave them as the registry's errors."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @contextmanager
    def calls(
        self,
        allowed: frozenset[str] = frozenset(),
        absent: RegistryError | None = None,
        unsupported: RegistryError | None = None,
    ) -> Iterator[None]:
        """Metadata requests: bounded in time, failing in our words.

        Codes in `allowed` raise Allowed; what is not there raises `absent`, what the registry cannot do at all
        `unsupported`, where they are given.
        """
        with bounded_requests(), self._translated(allowed, absent, unsupported):
            yield

    @contextmanager
    def transfers(self) -> Iterator[None]:
        """Uploads and downloads: with more patience, failing in our words."""
        with bounded_transfers(), self._translated(frozenset()):
            yield

    @contextmanager
    def _translated(
        self,
        allowed: frozenset[str],
        absent: RegistryError | None = None,
        unsupported: RegistryError | None = None,
    ) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except MlflowException as fault:
            if fault.error_code in allowed:
                raise Allowed() from None
            if absent is not None and fault.error_code in _ABSENT:
                raise absent from None
            if unsupported is not None and _is_unsupported(fault):
                raise unsupported from fault
            raise self._ours(fault, time.monotonic() - started) from fault
        except (SQLAlchemyError, ImportError, NoConnection, Timeout, ChunkedEncodingError) as fault:
            raise self._unreachable(str(fault), time.monotonic() - started) from fault
        except HTTPError as fault:  # of files, which are no calls
            status = None if fault.response is None else fault.response.status_code
            if status == _FORBIDDEN_STATUS:
                raise self._forbidden("permission denied for its files") from fault
            if status == _UNAUTHORIZED_STATUS:
                raise AccessDenied(f"{self._address} refuses its files.", _WHO) from fault
            raise RegistryFault(
                f"{self._address} cannot be used: its files are answered by {status}."
            ) from fault
        except OSError as fault:
            if (said := machine.explain(fault)) is not None:
                raise MachineFault(said) from fault
            raise RegistryFault(f"{self._address} cannot be used: {_first_line(str(fault))}.") from fault

    def _ours(self, fault: MlflowException, waited_s: float) -> RegistryError:
        said = str(fault.message)
        if fault.error_code in _SILENT or (said.startswith(_NO_ANSWER) and _any_in(_FAILED_WITH, said)):
            return self._unreachable(said, waited_s)
        if fault.error_code in FORBIDDEN:
            return self._forbidden(_body(said))
        if fault.error_code in _DENIED:
            return AccessDenied(f"{self._address} refuses: {_body(said)}.", _WHO)
        if fault.error_code in _ABSENT:
            return NotFound(f"{self._address} does not have it: {_first_line(said)}")
        return RegistryFault(f"{self._address} answers: {_first_line(said)}")

    def _forbidden(self, said: str) -> AccessDenied:
        return AccessDenied(
            f"{self._address} knows these credentials and refuses: {said}.",
            "A job takes READ on the model and on the experiment that its versions were registered in, and EDIT on the "
            "experiment of its run.",
        )

    def _unreachable(self, said: str, waited_s: float) -> RegistryUnreachable:
        why = next((plain for pattern, plain in _SAID if re.search(pattern, said)), _first_line(said))
        return RegistryUnreachable(
            f"No answer from the registry at {self._address} in {max(1, round(waited_s))} s: {why}.",
            "Check that it runs, and MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI.",
        )


def _is_unsupported(fault: MlflowException) -> bool:
    return fault.error_code in _UNSUPPORTED or _any_in(_UNSUPPORTED_SAID, str(fault.message))


def _any_in(parts: tuple[str, ...], text: str) -> bool:
    return any(part in text for part in parts)


def _body(said: str) -> str:
    """What the server itself said, where MLflow's client quotes it."""
    found = re.search(r"Response body: '(.*)'", said, re.DOTALL)
    return _first_line(found[1] if found else said)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".") if text.strip() else "no reason given"
