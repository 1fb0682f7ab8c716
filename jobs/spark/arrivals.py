"""A worker loads what the driver verified and nothing else: compared with it before MLflow imports any of it.

Nothing of stagewright is installed on executors, and what the model brings is what is to be checked. So this module
travels by value inside the UDF, which comes from the driver as the job itself does, and the part of it that runs on a
worker uses the standard library, PySpark and MLflow only.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from pyspark import SparkFiles, TaskContext, cloudpickle

from registry.trust.manifest import MANIFEST

from . import hangs, tally
from .isolation import Isolated
from .sent import Sent, compare, digest_of

# Where a worker process remembers what it has compared: this module comes anew with each task.
_MEMORY = "_stagewright_arrivals"
_ISOLATED, _COMPARED = "isolated", "compared"

# MLflow's warnings go to an executor's log, and finding them takes a second in each process, which reads the lists of
# all files of all packages. What a worker lacks ends the job in one line.
_QUIETLY = {"suppress_warnings": True}
# Beyond any photo's share, which is 5 s of one core: docs/predictions.md.
PHOTO_TIMEOUT_S = 60.0

Answer = Callable[[Iterator[pd.Series]], Iterator[pd.DataFrame]]

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def guarded(
    answer: Answer,
    sent: Sent,
    unpacked: str | None = None,
    photo_timeout_s: float = PHOTO_TIMEOUT_S,
    tally_file: str | None = None,
) -> Answer:
    """The function of MLflow's UDF, which loads a directory only if it holds what was sent.

    `unpacked`: the name under which Spark keeps the directory among a worker's files, as on Spark Connect, where MLflow
    would have each worker look for it elsewhere, under a name that others can guess. The function raises RuntimeError
    on a worker where a file is missing, changed or added. A photo that takes `photo_timeout_s` to read ends the worker,
    and a task that is tried again reads photos in a child process: see `isolation`. `tally_file`: see `tally`.
    """
    files, apart = dict(sent.files), sent.apart

    def checked(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        watched = partial(_watched, photo_timeout_s=photo_timeout_s, tally_file=tally_file)
        restore = _intercept(files, apart, unpacked, photo_timeout_s, watched)

        def after_loading() -> Iterator[pd.Series]:
            # MLflow loads before it asks for rows, and rows may come from another UDF, which loads then.
            restore()
            _check_asked(files)
            yield from batches

        try:
            yield from answer(after_loading())
        finally:
            restore()
            _end_isolation(files)

    return checked


# --- on a worker


def _intercept(
    files: dict[str, str],
    apart: frozenset[str],
    unpacked: str | None,
    photo_timeout_s: float,
    watched: Callable[[Any], None],
) -> Callable[[], None]:
    """Have whatever MLflow loads in this process compared first; returns what ends that."""
    # The module itself, not the loader that MLflow has in its place until somebody imports it.
    pyfunc: Any = import_module("mlflow.pyfunc")
    # Its bytecode beside the sources would be what nobody sent, for the next process that reads the directory.
    sys.dont_write_bytecode = True
    original = pyfunc.load_model

    def load_checked(model_uri: str, *args: Any, **kwargs: Any) -> Any:
        if _is_part(model_uri):
            return original(model_uri, *args, **{**_QUIETLY, **kwargs})
        folder = model_uri if unpacked is None else _unpacked(unpacked)
        known = (folder, digest_of(files))
        if known not in _memory():
            compare(folder, files, apart)
            _memory()[_COMPARED, str(Path(folder).resolve())] = True
        loaded = _loaded(original, folder, *args, **{**_QUIETLY, **kwargs})
        _memory().update({known: True, digest_of(files): True})
        isolated = Isolated(folder, photo_timeout_s, check=lambda: compare(folder, files, apart))
        watched(loaded.unwrap_python_model())
        return _isolating(_known_by_content(loaded, files), isolated, files)

    def restore() -> None:
        if pyfunc.load_model is load_checked:
            pyfunc.load_model = original

    pyfunc.load_model = load_checked
    return restore


def _watched(model: Any, photo_timeout_s: float, tally_file: str | None) -> None:
    if tally_file is not None:
        tally.count(model, tally_file)
    hangs.watch(model, photo_timeout_s)


def _is_part(folder: str) -> bool:
    """Whether a model asks for one that lies in itself, which was compared with it."""
    parents = Path(folder).resolve().parents
    return any((_COMPARED, str(parent)) in _memory() for parent in parents)


def _loaded(load: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Raises RuntimeError with one line where this worker has not what the model imports."""
    try:
        return load(*args, **kwargs)
    except Exception as error:
        cause: BaseException = error
        while type(cause).__module__.startswith("mlflow.") and cause.__cause__ is not None:
            cause = cause.__cause__
        if not isinstance(cause, ImportError):
            raise
        raise RuntimeError(
            f"This worker cannot import what the model needs: {cause}. Install the model's requirements.txt on all "
            "executors."
        ) from error


def _check_asked(files: dict[str, str]) -> None:
    if digest_of(files) not in _memory():
        raise RuntimeError(
            "MLflow has loaded the model without mlflow.pyfunc.load_model, and so before it could be compared with "
            "what the job verified. Use the version of MLflow that stagewright names, on executors too."
        )


def _unpacked(name: str) -> str:
    """Where Spark has put an archive of this session's. Raises RuntimeError where it is not there."""
    folder = os.path.join(SparkFiles.getRootDirectory(), name)  # noqa: PTH118
    if not os.path.isdir(folder):  # noqa: PTH112
        raise RuntimeError(f"The model has not reached this worker: there is no folder {folder!r}.")
    return folder


def _known_by_content(loaded: Any, files: dict[str, str]) -> Any:
    """Wrappers keep what they load by the digest that a version claims, and earlier ones do so still.

    So it claims what was verified.
    """
    model = loaded.unwrap_python_model()
    spec: Any = getattr(model, "spec", None)
    if hasattr(spec, "model_digest") and MANIFEST in files:
        model.spec = replace(spec, model_digest=files[MANIFEST])
    return loaded


def _isolating(loaded: Any, isolated: Isolated, files: dict[str, str]) -> Any:
    """Have `isolated` answer in each task that is tried again: MLflow keeps what it loaded for later ones on a cluster.

    What ended the task before may be in its photos, or may have been anything else.
    """
    answer = loaded.predict

    def predict(data: Any, params: Any = None) -> Any:
        task = TaskContext.get()
        if task is None or task.attemptNumber() == 0:
            return answer(data, params=params)
        _memory()[_ISOLATED, digest_of(files)] = isolated
        return isolated.predict(data, params)

    loaded.predict = predict
    return loaded


def _end_isolation(files: dict[str, str]) -> None:
    isolated = _memory().pop((_ISOLATED, digest_of(files)), None)
    if isolated is not None:
        isolated.close()


def _memory() -> dict[Any, Any]:
    return sys.modules.setdefault(_MEMORY, ModuleType(_MEMORY)).__dict__
