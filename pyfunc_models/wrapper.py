"""This folder under a name that says its content, for a model to carry; the driver's side of it stays behind."""

import hashlib
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import manifest

# What no pair of versions needs; see PAIR.
DRIVER = frozenset(
    {
        "packaging.py",
        "export.py",
        "entrypoint.py",
        "recipes.py",
        "errors.py",
        "measuring.py",
        "measuring_reading.py",
        "offering.py",
        "pairing.py",
        "quantize.py",
        "wrapper.py",
    }
)
# What only a comparison carries.
PAIR = frozenset({"pair.py", "pair_side.py"})
# What does not travel with a version does not change its code's digest either.
STAYS_BEHIND = DRIVER | PAIR


def copy_wrapper(wrapper: Path, into: Path, without: Collection[str] = STAYS_BEHIND) -> Path:
    """Copy the Python files of `wrapper` to `into/pyfunc_models_<digest of their content>`; returns that."""
    sources = sorted(path.relative_to(wrapper) for path in wrapper.rglob("*.py") if path.name not in without)
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.as_posix()}\0{manifest.sha256(wrapper / source)}\n".encode())
    target = into / f"pyfunc_models_{digest.hexdigest()[:16]}"
    for source in sources:
        (target / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wrapper / source, target / source)
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
