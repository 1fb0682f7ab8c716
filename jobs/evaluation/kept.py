"""What an evaluation's run keeps: the photos with their answers, tables and pictures of these, and the page."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from registry import Registry, RegistryError, Run

from ..errors import InputError
from . import reported
from .measure import Measure, Truth
from .report import PAGE, PHOTOS

_MAX_BYTES = 2 * 1024**3
_TEXTS = ("file", "label", "predicted_label", "status", "error")


def keep(
    registry: Registry,
    photos: pd.DataFrame,
    measure: Measure,
    truth: Truth,
    run: Run,
    say: Callable[[str], None],
) -> None:
    """Tables, pictures and the page, as artifacts of `run`, which has the figures already.

    Where no page can be made, a line says why: what was found counts all the same.
    """
    with tempfile.TemporaryDirectory(prefix="stagewright-evaluation-") as scratch:
        folder = Path(scratch)
        measure.keep(photos, truth, folder)
        if measure.page is not None:
            try:
                html = measure.page(registry, run, _table((folder / PHOTOS).read_bytes()))
                (folder / PAGE).write_text(html, encoding="utf-8")
            except (OSError, RegistryError) as error:
                say(f"The page could not be made: {error}. `stagewright report {run.run_id}` makes it again.")
        registry.log_files(run.run_id, folder)


def again(registry: Registry, run: Run) -> str:
    """The page of an evaluation's run, from what the run has kept. Raises InputError where that is not there."""
    content = registry.run_file(run.run_id, PHOTOS, _MAX_BYTES)
    if content is None:
        raise InputError(f"The run {run.run_id} has no {PHOTOS}, from which its page is made.")
    try:
        return reported.made(registry, run, _table(content))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{PHOTOS} of run {run.run_id} is none of a classifier's: {error}.") from error


def _table(content: bytes) -> pd.DataFrame:
    """What `of_classifier` writes. Text is text: a label may be called `null`."""
    photos = pd.read_csv(
        io.BytesIO(content),
        dtype=dict.fromkeys(_TEXTS, str),
        keep_default_na=False,
        na_values={"predicted_index": [""], "score": [""]},
    )
    return photos.astype({"predicted_index": "Int64", "score": "float64"})
