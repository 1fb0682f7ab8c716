"""A module by the name of what makes it: of torchvision, or of the scientist's own code."""

import ast
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ..errors import InputError


@dataclass(frozen=True, slots=True)
class Architecture:
    """`torchvision:resnet50`, `timm:vit_tiny_patch16_224` or `package.module:callable`, and what it is called with.

    A library's names are those that its own `list_models()` gives, in torchvision those of detection too.
    """

    reference: str
    arguments: tuple[str, ...] = ()

    def build(self) -> torch.nn.Module:
        """Call it. Raises InputError where it cannot be imported, called, or gives no module."""
        factory = self._factory()
        positional, named = self._arguments()
        try:
            module = factory(*positional, **named)
        except Exception as error:  # the architecture's own code
            raise InputError(
                f"{self.reference!r} called with {list(self.arguments)} raised {error!r}."
            ) from error
        if not isinstance(module, torch.nn.Module):
            raise InputError(f"{self.reference!r} gave a {type(module).__name__}, not a torch.nn.Module.")
        return module

    def _factory(self) -> Any:
        place, separator, path = self.reference.partition(":")
        if not separator or not place or not path:
            raise InputError(
                f"{self.reference!r} is no architecture; write `torchvision:resnet50`, "
                "`timm:vit_tiny_patch16_224` or `package.module:callable`."
            )
        try:
            return _in_library(place, path) or _in_module(place, path)
        except ImportError as error:
            raise InputError(
                f"{place!r} cannot be imported: {error}. Is it installed, or in this folder?"
            ) from error
        except AttributeError as error:
            raise InputError(
                f"There is no {path!r} in {place!r}: {error}. Is it another module, installed under the same name?"
            ) from error

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        positional, named = [], {}
        for argument in self.arguments:
            name, separator, value = argument.partition("=")
            if separator and name.isidentifier():
                named[name] = _literal(value)
            else:
                positional.append(_literal(argument))
        return positional, named


def _of_torchvision(name: str) -> Any:
    models = importlib.import_module("torchvision.models")
    return models.get_model_builder(name) if name in models.list_models() else None


def _of_timm(name: str) -> Any:
    timm = importlib.import_module("timm")
    return partial(timm.create_model, name) if timm.is_model(name) else None


# What makes the architecture that the library knows by this name; None where it knows none.
_LIBRARIES: dict[str, Callable[[str], Any]] = {"torchvision": _of_torchvision, "timm": _of_timm}


def _in_library(place: str, name: str) -> Any:
    library = _LIBRARIES.get(place)
    return library(name) if library else None


def _in_module(place: str, path: str) -> Any:
    """torchvision is the installed one, whatever lies in this folder."""
    found: Any = importlib.import_module("torchvision.models") if place == "torchvision" else _own(place)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _own(place: str) -> ModuleType:
    """The scientist's module, mostly a file in this folder, where a command does not look by itself.

    What is installed comes first: a folder that somebody sent, with a `torch.py` in it, replaces nothing.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    return importlib.import_module(place)


def _literal(text: str) -> Any:
    """A Python literal where it is one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
