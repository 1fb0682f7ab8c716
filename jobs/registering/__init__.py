"""What `stagewright register` is given on the command line -> a packaged model in the registry."""

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from pyfunc_models.packaging import ExportError, PackagingError, PackagingWarning, PrecisionRefused, package
from registry import Registration, Registry

from ..errors import InputError, PrecisionTooFar
from .architecture import Architecture
from .given import Registering, from_options
from .made_of import Folder, Model, Parts


def register(registry: Registry, what: Registering, tags: dict[str, str]) -> Registration:
    """Build, load, package, register. Raises InputError, PrecisionTooFar or registry.RegistryError."""
    model = what.made_of.model()
    options = replace(what.options, architecture=model.architecture)
    with tempfile.TemporaryDirectory(prefix="stagewright-") as scratch:
        try:
            into = Path(scratch) / "model"
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", PackagingWarning)
                packaged = package(model.module, model.preprocess, model.labels, into=into, options=options)
        except PrecisionRefused as error:
            raise PrecisionTooFar(str(error)) from error
        except (PackagingError, ExportError) as error:
            raise InputError(str(error)) from error
        done = registry.register(packaged, what.name, tags)
        told = tuple(str(each.message) for each in said if issubclass(each.category, PackagingWarning))
        return replace(done, warnings=(*told, *done.warnings))


__all__ = ["Architecture", "Folder", "Model", "Parts", "Registering", "from_options", "register"]
