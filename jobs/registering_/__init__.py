"""What `stagewright register` is given on the command line -> a packaged model in the registry."""

import ast
import importlib
import json
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from pyfunc_models import Preprocess
from pyfunc_models.packaging import (
    ExportError,
    PackageOptions,
    PackagingError,
    PackagingWarning,
    PrecisionRefused,
    package,
)
from registry import Registration, Registry

from . import pretrained
from .errors import InputError, PrecisionTooFar


@dataclass(frozen=True, slots=True)
class Architecture:
    """`torchvision:resnet50` or `package.module:callable`, and the arguments that it is called with."""

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
                f"{self.reference!r} is no architecture; write `torchvision:resnet50` or `package.module:callable`."
            )
        try:
            found: Any = _torchvision() if place == "torchvision" else _own(place)
            for name in path.split("."):
                found = getattr(found, name)
        except ImportError as error:
            raise InputError(
                f"{place!r} cannot be imported: {error}. Is it installed, or in this folder?"
            ) from error
        except AttributeError as error:
            raise InputError(
                f"There is no {path!r} in {place!r}: {error}. Is it another module, installed under the same name?"
            ) from error
        return found

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        positional, named = [], {}
        for argument in self.arguments:
            name, separator, value = argument.partition("=")
            if separator and name.isidentifier():
                named[name] = _literal(value)
            else:
                positional.append(_literal(argument))
        return positional, named


def _torchvision() -> ModuleType:
    """Installed, whatever lies in this folder."""
    return importlib.import_module("torchvision.models")


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


def load_weights(module: torch.nn.Module, file: Path) -> None:
    """Put a state_dict into `module`: `.safetensors`, or `.pt`/`.pth` read with weights_only.

    Raises InputError on a file that is no state_dict or does not fit the module, naming the keys.
    """
    try:
        state = _state_dict(file)
        outcome = module.load_state_dict(state, strict=False)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {str(file)!r}.") from error
    except Exception as error:  # torch and safetensors raise many kinds on what is no state_dict
        raise InputError(
            f"{str(file)!r} does not load as the module's state_dict: {_first_lines(error)}"
        ) from error
    if outcome.missing_keys or outcome.unexpected_keys:
        raise InputError(
            f"{str(file)!r} does not fit the architecture: {_some('missing', outcome.missing_keys)}; "
            f"{_some('unexpected', outcome.unexpected_keys)}. Is it another model, or the wrong --arg?"
        )


def _state_dict(file: Path) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors: dict[str, Any] = load_file(file)
        return tensors
    loaded = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict):
        raise InputError(f"it holds a {type(loaded).__name__}")
    # Training scripts often keep the weights beside the optimizer's state.
    nested = loaded.get("state_dict")
    return nested if isinstance(nested, dict) else loaded


def read_labels(file: Path) -> list[str]:
    """One label a line, or a JSON list. Raises InputError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)!r} cannot be read as labels: {error}.") from error
    if file.suffix == ".json":
        try:
            labels = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{str(file)!r} is not JSON: {error}.") from error
        if not isinstance(labels, list):
            raise InputError(f"{str(file)!r} must hold a JSON list of labels, in the order of the logits.")
        return [str(label) for label in labels]
    return text.splitlines()


@dataclass(frozen=True, slots=True)
class Model:
    """What is packaged. `architecture`: how the scientist calls it."""

    module: torch.nn.Module
    preprocess: Preprocess
    labels: Sequence[str] | None
    architecture: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A model from its parts: see the command's options of the same names."""

    architecture: Architecture
    weights: Path
    preprocess: Preprocess
    labels: Path | None = None

    def model(self) -> Model:
        """Build it, and load its weights. Raises InputError."""
        module = self.architecture.build()
        load_weights(module, self.weights)
        labels = read_labels(self.labels) if self.labels else None
        return Model(module, self.preprocess, labels, self.architecture.reference)


@dataclass(frozen=True, slots=True)
class Folder:
    """A model as a library saved it."""

    folder: Path

    def model(self) -> Model:
        """Read it as that library does. Raises InputError."""
        found = pretrained.read(self.folder)
        return Model(found.module, found.preprocess, found.labels, found.architecture)


@dataclass(frozen=True, slots=True)
class Registering:
    """All that makes a version; `options` are those of packaging, whose `architecture` is the model's."""

    name: str
    made_of: "Parts | Folder"
    options: PackageOptions = field(default_factory=PackageOptions)


_OF_PARTS = (
    "architecture",
    "arguments",
    "weights",
    "labels",
    "preprocess",
    "resize",
    "crop",
    "interpolation",
    "mean",
    "std",
)


def from_options(name: str, given: Mapping[str, Any]) -> Registering:
    """The command's options, checked. Raises InputError on what does not fit together."""
    return Registering(name, _folder(given) if given["folder"] else _parts(given), _options(given))


def _folder(given: Mapping[str, Any]) -> Folder:
    """Raises InputError where parts are given, too."""
    also = [name for name in _OF_PARTS if given[name] not in (None, ())]
    if also:
        options = ", ".join("--arg" if name == "arguments" else f"--{name}" for name in also)
        raise InputError(f"--from has everything; leave out {options}.")
    return Folder(Path(given["folder"]))


def _parts(given: Mapping[str, Any]) -> Parts:
    """Raises InputError on what is missing or wrong."""
    for name in ("architecture", "weights"):
        if not given[name]:
            raise InputError(f"Give --{name}, or --from FOLDER: a model as transformers or timm saves it.")
    return Parts(
        architecture=Architecture(given["architecture"], given["arguments"]),
        weights=Path(given["weights"]),
        preprocess=_preprocess(given),
        labels=Path(given["labels"]) if given["labels"] else None,
    )


def _options(given: Mapping[str, Any]) -> PackageOptions:
    options = PackageOptions(
        kind=given["kind"],
        output=given["output"],
        precisions=given["precisions"],
        decodes=given["decodes"],
        golden=given["golden"],
        settings=_settings(given),
    )
    floor = given["min_agreement"]
    return options if floor is None else replace(options, min_agreement=floor)


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a kind is told, by the options of these names."""
    names = ("threshold", "unit_length", "round_to")
    return {name: given[name] for name in names if given.get(name) not in (None, False)}


def _preprocess(given: Mapping[str, Any]) -> Preprocess:
    own = {name: given[name] for name in ("resize", "crop", "interpolation") if given[name] is not None}
    own |= {name: _channels(name, given[name]) for name in ("mean", "std") if given[name] is not None}
    if given["preprocess"] and own:
        raise InputError(f"--preprocess has everything; leave out {', '.join('--' + name for name in own)}.")
    if not given["preprocess"] and not own:
        raise InputError(
            "How are photos prepared? Give --preprocess FILE, or --resize, --crop, --interpolation, --mean, --std."
        )
    try:
        if given["preprocess"]:
            return Preprocess.from_json(Path(given["preprocess"]).read_text())
        return Preprocess.of(**own)
    except (OSError, ValueError) as error:
        raise InputError(str(error)) from error


def _channels(name: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise InputError(f"--{name} {text!r} is not three numbers R,G,B, such as 0.485,0.456,0.406.")
    return numbers


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


def _some(what: str, keys: list[str], most: int = 3) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return f"{len(keys)} {what} ({', '.join(keys[:most])}{more})" if keys else f"none {what}"


def _first_lines(error: Exception, most: int = 3) -> str:
    return " ".join(line.strip() for line in str(error).splitlines()[:most])
