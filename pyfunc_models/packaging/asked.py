"""What is asked to be packaged, and whether it fits together: all that is known before anything is exported."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..engines import Precision
from ..kinds import kind_names, model_class
from ..transforms.preprocess import Preprocess
from ..worker import settings
from ..worker.choices import DecodeChoice
from ..worker.image_model import ImageModel
from ..worker.own_code import OwnCode
from ..worker.settings import Value
from ..worker.spec import EXACT
from .adapting import Adapted
from .casting import as_f32
from .errors import PackagingError, PackagingWarning
from .measuring import DEFAULT_MIN_AGREEMENT, GoldenPhotos
from .offering import Offering


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """What most models leave as it is.

    `kind`: see `kind_names()`. `architecture`: how the scientist calls it, for the version's tags. `output`: which of
    the module's answers it is, by key, field or index, where there are several.
    `precisions`, `decodes`: what jobs may choose from; f32 and full are always there. `golden`: a folder of photos on
    which every other one is measured, and int8 calibrated; less agreement with these two than `min_agreement` is
    refused. `transforms` is no choice any more: whatever it names, photos are resized exactly. `own_code`: callables
    that travel by cloudpickle. `settings`: what the kind is told, such as a multilabel's `threshold` (0.5), or an
    embedder's `unit_length`.
    """

    kind: str = "classifier"
    architecture: str | None = None
    precisions: tuple[str, ...] = (Precision.F32.value,)
    golden: Path | str | None = None
    min_agreement: float = DEFAULT_MIN_AGREEMENT
    transforms: tuple[str, ...] = (EXACT,)
    decodes: tuple[str, ...] = (DecodeChoice.FULL.value,)
    own_code: OwnCode = field(default_factory=OwnCode)
    output: str | None = None
    settings: Mapping[str, Value] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is packaged, once it is known to fit together; `reader` is the wrapper as workers will have it."""

    adapted: Adapted
    preprocess: Preprocess
    labels: Sequence[str] | None
    options: PackageOptions
    architecture: str
    reader: ImageModel
    offering: Offering
    golden: GoldenPhotos | None


def checked(
    module: torch.nn.Module, preprocess: Preprocess, labels: Sequence[str] | None, options: PackageOptions
) -> Asked:
    """All that can be said before anything is exported. Raises PackagingError."""
    if set(options.transforms) - {EXACT}:
        _warn(f"Photos are resized exactly, not as transforms={options.transforms}.")
    architecture = options.architecture or _qualified_name(module)
    _check_kind(options)
    module, cast = as_f32(module)
    if cast:
        _warn(cast)
    adapted = _adapted(module, preprocess, labels, options.kind)
    reader = _reader(preprocess, options, _settings(options, adapted))
    offering = Offering.of(options.precisions, options.decodes)
    golden = _golden(options, offering)
    return Asked(adapted, preprocess, labels, options, architecture, reader, offering, golden)


def _warn(said: str) -> None:
    warnings.warn(said, PackagingWarning, stacklevel=4)  # whoever calls `package`


def _golden(options: PackageOptions, offering: Offering) -> GoldenPhotos | None:
    if not offering.to_measure:
        return None
    if options.golden is None:
        raise PackagingError(
            f"Jobs may choose {' or '.join(offering.to_measure)} only after it was measured. Hand over a folder of "
            "photos like those that the model will see: --golden DIR, or PackageOptions(golden=…)."
        )
    return GoldenPhotos.find(Path(options.golden), calibrate=Precision.INT8 in offering.precisions)


def _check_kind(options: PackageOptions) -> None:
    if options.kind not in kind_names():
        raise PackagingError(f"There is no kind of prediction {options.kind!r}; there are {kind_names()}.")
    if options.own_code != OwnCode() and model_class(options.kind).has_places:
        raise PackagingError(
            f"A model of kind {options.kind!r} takes no callables of your own: its answers are places in the photo, "
            "which they could not be told of."
        )


def _adapted(
    module: torch.nn.Module, preprocess: Preprocess, labels: Sequence[str] | None, kind: str
) -> Adapted:
    """What of the module becomes the graph. Raises PackagingError where the kind can make nothing of it."""
    if kind != "detector":
        return Adapted(module)
    from . import detection  # torchvision

    return detection.adapt(module, preprocess, labels)


def _settings(options: PackageOptions, adapted: Adapted) -> dict[str, Value]:
    """All that the kind is told. Raises PackagingError, before anything is exported."""
    kind = model_class(options.kind)
    try:
        told = settings.chosen(kind.known_settings, {**adapted.settings, **options.settings}, options.kind)
        kind.check_settings(told)
    except ValueError as error:
        raise PackagingError(str(error)) from None
    return told


def _reader(preprocess: Preprocess, options: PackageOptions, told: Mapping[str, Value]) -> ImageModel:
    """The wrapper as the workers will have it, for its reading and its figures."""
    model: ImageModel = model_class(options.kind)()
    model.preprocess, model.own_code, model.settings = preprocess, options.own_code, told
    return model


def _qualified_name(module: torch.nn.Module) -> str:
    return f"{type(module).__module__}:{type(module).__qualname__}"
