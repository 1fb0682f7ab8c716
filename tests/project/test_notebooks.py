"""The notebooks are true: their cells run, in order, the engineer's where the scientist's have run."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "docs" / "notebooks"


def cells(name: str) -> list[str]:
    """The code of a notebook."""
    notebook = json.loads((NOTEBOOKS / name).read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(name: str) -> None:
    """Each cell in one namespace, as a kernel would run it."""
    here: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(name)):
        exec(compile(ast.parse(cell), f"{name}, cell {number}", "exec"), here)


def test_the_cells_of_both_notebooks_run(
    spark: SparkSession,
    registry_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run("scientist.ipynb")
    said = capsys.readouterr().out
    assert "models:/shop/2" in said
    assert "espresso" in said
    run("release-engineer.ipynb")
    said = capsys.readouterr().out
    assert "preprocess" in said
    assert "rolled_back version 1 to Production - too many complaints" in said
    assert "{'ok': 7}" in said


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_it_printed(notebook: Path) -> None:
    for cell in json.loads(notebook.read_text())["cells"]:
        assert not cell.get("outputs")
