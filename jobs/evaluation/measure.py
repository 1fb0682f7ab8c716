"""What is asked of a kind's answers in an evaluation, and what is found in them; one file each says `MEASURE`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import Column

from registry import Registry, Run

from .labelled import Labels


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a version before its photos are scored: its labels, and what its kind was told."""

    names: Sequence[str]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """`figures` of the photos; how many `classes` have photos, and the label of the worst of them."""

    figures: Mapping[str, float]
    classes: int
    worst: str


@dataclass(frozen=True, slots=True)
class Measure:
    """How the versions of one kind are measured.

    `read`: a CSV and the number of classes -> what each photo shows. `options`: what answers are asked for with, of
    ScoreOptions. `answers`: of a scored photo, what `find` and `keep` want of it besides its name and status. `find`:
    a row for each photo -> figures. `keep`: the tables and pictures of it, into a folder, `report.PHOTOS` among them.
    `page`: HTML of the run, its figures and that table, where the kind has one.
    """

    read: Callable[[str, int], Labels]
    options: Mapping[str, Any]
    answers: Callable[[], Sequence[Column]]
    find: Callable[[pd.DataFrame, Truth], Found]
    keep: Callable[[pd.DataFrame, Truth, Path], None]
    page: Callable[[Registry, Run, pd.DataFrame], str] | None = None
