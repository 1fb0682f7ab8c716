"""A model directory's download, bounded: in bytes, in files, and by the disk that it goes to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from registry.errors import ModelTooLarge, UserError

MAX_BYTES_VARIABLE = "STAGEWRIGHT_MAX_MODEL_BYTES"
DEFAULT_MAX_BYTES = 16 * 1024**3
# A packaged model has some 60 files; a listing without an end would be followed for ever.
MAX_FILES = 10_000


def download(repository: Any, into: Path, what: str) -> None:
    """Copy all that an MLflow artifact repository holds into an existing empty folder.

    Its listing is asked first, and what arrived is measured again: a store may say anything of its sizes. Raises
    ModelTooLarge before the first byte where the listing says so, UserError on a bad limit.
    """
    limit = max_bytes()
    said = sum(_sizes(repository, what))
    _check(what, said, limit)
    if said > (free := shutil.disk_usage(into).free):
        raise ModelTooLarge(
            f"{what} takes {said:,} bytes, and {free:,} are free where {str(into)!r} is.",
            "Free some, or name a larger disk in TMPDIR.",
        )
    _until_the_first_fault(repository, into)
    _check(what, sum(path.lstat().st_size for path in into.rglob("*") if not path.is_dir()), limit)


def _until_the_first_fault(repository: Any, into: Path) -> None:
    """MLflow tries each file, and waits for each, however many failed before. Raises what the first one raised.

    Where it is a listing that failed, MLflow does not wait for the files it had begun: they would be written while
    their folder is being removed.
    """
    faults: list[Exception] = []
    source = repository
    while hasattr(
        source, "repo"
    ):  # a version named by its run or logged model: files come from what is behind that
        source = source.repo
    fetch = source._download_file

    def fetch_unless_failed(remote_file_path: str, local_path: str) -> None:
        if faults:
            raise faults[0]
        try:
            fetch(remote_file_path, local_path)
        except Exception as fault:
            faults.append(fault)
            raise

    source._download_file = fetch_unless_failed
    try:
        repository.download_artifacts("", str(into))
    except MlflowException:
        if faults:
            raise faults[0] from None
        raise
    finally:
        source.thread_pool.shutdown(cancel_futures=True)
        del source._download_file


def max_bytes() -> int:
    """How large a model may be. Raises UserError where the variable is no number."""
    said = os.environ.get(MAX_BYTES_VARIABLE) or str(DEFAULT_MAX_BYTES)
    if not said.isdecimal():
        raise UserError(
            f"{MAX_BYTES_VARIABLE}={said!r} is not a number of bytes.", f"For instance {DEFAULT_MAX_BYTES}."
        )
    return int(said)


def _check(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise ModelTooLarge(
            f"{what} takes {size:,} bytes, more than the {limit:,} that a model may take here.",
            f"If it is meant to be so large, set {MAX_BYTES_VARIABLE}={size}.",
        )


def _sizes(repository: Any, what: str) -> Iterator[int]:
    """Of each file, as the store tells it; 0 where it does not. Raises ModelTooLarge on too many."""
    folders, seen = [""], 0
    while folders:
        for found in repository.list_artifacts(folders.pop() or None):
            seen += 1
            if seen > MAX_FILES:
                raise ModelTooLarge(
                    f"{what} lists more than {MAX_FILES:,} files and folders, which no packaged model has.",
                    "Find out who wrote to the artifact store.",
                )
            if found.is_dir:
                folders.append(found.path)
            else:
                yield max(0, found.file_size or 0)
