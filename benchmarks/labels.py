"""Whether contenders say the same of the same photos."""

from pathlib import Path, PurePosixPath

import pyarrow.dataset as ds
import pyarrow.types


def read(output: Path) -> dict[str, str]:
    """Parquet of `path` and `label`, or of stagewright's predictions -> file name: label. Raises ValueError.

    A contender that drops or repeats photos would look fast: a file name that occurs twice is an error.
    """
    files = [str(file) for file in output.rglob("*.parquet")]
    table = ds.dataset(files, format="parquet").to_table()
    column = table["label"] if "label" in table.column_names else table["prediction"].combine_chunks()
    if pyarrow.types.is_struct(column.type):
        column = column.field("label")
    names = [PurePosixPath(path).name for path in table["path"].to_pylist()]
    labels = {name: str(label) for name, label in zip(names, column.to_pylist(), strict=True)}
    if len(labels) != len(names):
        raise ValueError(f"{len(names)} rows came out for {len(labels)} photos.")
    return labels


def share_equal(labels: dict[str, str], reference: dict[str, str]) -> float:
    """Of the photos that both have, the share with equal labels, 0 to 1. Raises ValueError on no common photo."""
    common = labels.keys() & reference.keys()
    if not common:
        raise ValueError("There is no photo that both have labelled.")
    return sum(labels[name] == reference[name] for name in common) / len(common)
