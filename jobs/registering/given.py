"""The options of `stagewright register`, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions

from ..errors import InputError
from .architecture import Architecture
from .made_of import Folder, Parts

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


@dataclass(frozen=True, slots=True)
class Registering:
    """All that makes a version; `options` are those of packaging, whose `architecture` is the model's."""

    name: str
    made_of: Parts | Folder
    options: PackageOptions = field(default_factory=PackageOptions)


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
