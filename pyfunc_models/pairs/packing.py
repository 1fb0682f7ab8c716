"""The driver's side of a comparison: two versions' directories -> one MLflow model directory; see `pair`."""

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc

from ..carried import DRIVER, copy_wrapper, importable
from ..requirements import requirements_by_name
from .pair import SIDES, Pair
from .side import share_decoder

__all__ = ["package_pair", "share_decoder"]

SCRIPT = '''"""Models-from-code script of a pair."""

from mlflow.models import set_model

from {package}.pairs.pair import Pair

set_model(Pair())
'''


def package_pair(a: Path, b: Path, into: Path) -> Path:
    """Write to `into`, which must not exist, a model that asks both `a` and `b`; returns it.

    Both are model directories of classifiers, whole or without their big files as `jobs` ships them, and are
    copied as they are. The pair's own code is that of the stagewright that runs now.
    """
    with tempfile.TemporaryDirectory(prefix="stagewright-pair-") as scratch:
        code = copy_wrapper(Path(scratch), without=DRIVER)
        script = Path(scratch) / "entrypoint.py"
        script.write_text(SCRIPT.format(package=code.name))
        # MLflow names the copies as the originals are called, and two versions may be called the same.
        for side, directory in zip(SIDES, (a, b), strict=True):
            shutil.copytree(directory, Path(scratch) / side)
        with requirements_by_name(), importable(code):
            mlflow.pyfunc.save_model(
                path=into,
                python_model=str(script),
                code_paths=[str(code)],
                artifacts={side: str(Path(scratch) / side) for side in SIDES},
                signature=Pair.signature(),
                pip_requirements=[f"mlflow=={version('mlflow')}"],
            )
    return into
