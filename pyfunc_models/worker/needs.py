"""What a version needs of the machine that it is loaded on, told in one line before anything of it runs."""

import platform

from .spec import ModelSpec


class NodeError(RuntimeError):
    """This machine cannot do what the version needs; says what that is, and what there is."""


def check(spec: ModelSpec) -> None:
    """Raises NodeError where callables were pickled by another Python, whose bytecode means something else in this."""
    theirs, here = spec.versions.get("python", ""), platform.python_version()
    if spec.pickled and theirs and _minor(theirs) != _minor(here):
        parts = " and ".join(spec.pickled)
        raise NodeError(
            f"This version carries its {parts} by cloudpickle from Python {theirs}, and this worker runs "
            f"Python {here}, which cannot run them. Run workers on Python {_minor(theirs)} (PYSPARK_PYTHON, or --conf "
            f"spark.pyspark.python=PATH), or register the version again from Python {_minor(here)}."
        )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
