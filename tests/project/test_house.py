"""The picture of the house is of this tree, and no circle of files stands in it."""

import importlib.util
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "docs" / "draw_house.py"


@pytest.fixture(scope="module")
def draw_house() -> ModuleType:
    """docs/ is no package, so the program is loaded from its file."""
    spec = importlib.util.spec_from_file_location(PROGRAM.stem, PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up the annotations of their module
    spec.loader.exec_module(module)
    return module


def circles(draw_house: ModuleType, root: Path, package: str) -> list[list[str]]:
    modules = draw_house.files(root, [package])
    assert modules
    return draw_house.circles(draw_house.imports_of(root, modules))


# --- the house


def test_the_picture_is_of_this_tree(draw_house: ModuleType, tmp_path: Path) -> None:
    draw_house.draw(draw_house.house(ROOT), tmp_path / "house.svg")
    same = (tmp_path / "house.svg").read_bytes() == (ROOT / "docs" / "house.svg").read_bytes()
    assert same, "docs/house.svg shows another tree; draw it again: .venv/bin/python docs/draw_house.py"


@pytest.mark.parametrize("package", ["registry", "pyfunc_models", "jobs", "benchmarks"])
def test_no_files_import_each_other_in_a_circle(draw_house: ModuleType, package: str) -> None:
    assert circles(draw_house, ROOT, package) == []


def test_no_circle_runs_through_several_packages(draw_house: ModuleType) -> None:
    assert draw_house.house(ROOT).circles == []


@pytest.mark.parametrize("package", ["registry", "pyfunc_models", "jobs"])
def test_no_file_has_a_name_that_pytest_takes_for_a_tests(package: str) -> None:
    """It would rewrite the file where a test imports it, and leave bytecode of its own beside what is verified."""
    files = [path.name for path in (ROOT / package).rglob("*.py")]
    assert files
    assert [name for name in files if fnmatch(name, "test_*.py") or fnmatch(name, "*_test.py")] == []


# --- the checker


def tree(root: Path, **files: str) -> Path:
    """A package `house` of these files; `__` in a name is a folder's slash."""
    for name, text in {"__init__": "", **files}.items():
        path = root / "house" / (f"{name}.py" if name == "__init__" else f"{name.replace('__', '/')}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "back",
    [
        "import house.roof",
        "from house import roof",
        "from house.roof import tile",
        "from . import roof",
        "from .roof import tile",
        "def late():\n    from .roof import tile",
        "class Late:\n    def late(self):\n        import house.roof as roof",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.roof import Tile",
        "try:\n    from .roof import tile\nexcept ImportError:\n    tile = None",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(
    draw_house: ModuleType, tmp_path: Path, back: str
) -> None:
    tree(tmp_path, roof="from .wall import brick", wall="from .cellar import stone", cellar=back)
    assert circles(draw_house, tmp_path, "house") == [["house.cellar", "house.roof", "house.wall"]]


def test_a_circle_is_found_across_folders(draw_house: ModuleType, tmp_path: Path) -> None:
    tree(tmp_path, attic__beam="from ..wall import brick", wall="from .attic.beam import wood")
    assert circles(draw_house, tmp_path, "house") == [["house.attic.beam", "house.wall"]]


def test_two_circles_are_told_apart_from_each_other_and_from_what_only_leads_to_them(
    draw_house: ModuleType, tmp_path: Path
) -> None:
    files = {
        "a": "from . import b",
        "b": "from . import a, c",
        "c": "from . import d",
        "d": "from . import c",
    }
    tree(tmp_path, **files, door="from . import a")
    assert circles(draw_house, tmp_path, "house") == [["house.a", "house.b"], ["house.c", "house.d"]]


def test_one_way_is_no_circle_nor_is_a_package_that_says_what_its_files_define(
    draw_house: ModuleType, tmp_path: Path
) -> None:
    tree(tmp_path, __init__="from .roof import tile", roof="from . import wall", wall="import json")
    assert circles(draw_house, tmp_path, "house") == []
