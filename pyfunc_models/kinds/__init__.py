"""The kinds of prediction, one module each: its name is the kind's, its `MODEL` the ImageModel of the kind."""

import importlib
import pkgutil

from ..worker.image_model import ImageModel


def kind_names() -> list[str]:
    """The kinds of prediction that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def model_class(kind: str) -> type[ImageModel]:
    """The ImageModel of a kind. Raises ValueError, naming the kinds that there are."""
    if kind not in kind_names():
        raise ValueError(f"There is no kind of prediction {kind!r}; there are {kind_names()}.")
    found: type[ImageModel] = importlib.import_module(f"{__name__}.{kind}").MODEL
    return found
