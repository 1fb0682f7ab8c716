"""This package under a name that says its content, for a model to carry; the driver's side of it stays behind."""

import hashlib
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .worker import manifest

HERE = Path(__file__).parent
DRIVER = frozenset({"packaging", "carried.py", "requirements.py", "pairs/packing.py", "foreign"})
"""Rooms and files that no worker needs."""
STAYS_BEHIND = DRIVER | {"pairs"}
"""What does not travel with a version, and so does not change its code's digest; only a comparison carries a pair."""


def copy_wrapper(into: Path, without: Collection[str]) -> Path:
    """Copy the Python files of this package to `into/pyfunc_models_<digest of their content>`; returns that."""
    files = sorted(path.relative_to(HERE) for path in HERE.rglob("*.py"))
    files = [
        file for file in files if not {file.as_posix(), *map(Path.as_posix, file.parents)} & set(without)
    ]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.as_posix()}\0{manifest.sha256(HERE / file)}\n".encode())
    target = into / f"pyfunc_models_{digest.hexdigest()[:16]}"
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / file, target / file)
    return target


@contextmanager
def importable(code: Path) -> Iterator[None]:
    """Let MLflow import a copied wrapper while it saves a model; afterwards it is forgotten.

    The folder is about to go: whoever loads the model in this process must import the wrapper from the model.
    """
    loaded_before = code.name in sys.modules
    sys.path.insert(0, str(code.parent))
    try:
        yield
    finally:
        sys.path.remove(str(code.parent))
        if not loaded_before:
            for name in [name for name in sys.modules if name.partition(".")[0] == code.name]:
                del sys.modules[name]
