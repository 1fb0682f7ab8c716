"""nn.Module + Preprocess + labels -> a model directory."""

import json
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import cloudpickle
import mlflow.pyfunc
import torch

from ..carried import STAYS_BEHIND, copy_wrapper, importable
from ..engines import Precision
from ..kinds import kind_names, model_class
from ..transforms.preprocess import Preprocess
from ..worker import manifest, settings
from ..worker.choices import DecodeChoice
from ..worker.image_model import CALLABLES, LABELS, PREPROCESS, ImageModel, OwnCode
from ..worker.settings import Value
from ..worker.spec import EXACT, ModelSpec
from . import digests, golden_photos
from .adapting import Adapted
from .casting import as_f32
from .errors import PackagingError, PackagingWarning
from .export import export
from .measuring import DEFAULT_MIN_AGREEMENT, GoldenPhotos, calibration_images, hold_to, measure
from .measuring_decoding import measure_decodes
from .offering import Offering
from .quantize import quantize

# What an OpenVINO worker imports. A GPU worker needs torch besides; see GPU_REQUIREMENTS.
REQUIRED = ("mlflow", "openvino", "pillow", "numpy", "pandas", "pyarrow", "numba", "simplejpeg")
GPU_REQUIREMENTS = "requirements-gpu.txt"


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


def package(
    module: torch.nn.Module,
    preprocess: Preprocess,
    labels: Sequence[str] | None = None,
    *,
    into: Path | str,
    options: PackageOptions | None = None,
) -> Path:
    """Write an MLflow model directory to `into` (which must not exist) and return its path.

    `module`: float32 [N, 3, H, W] -> float32 [N, D], or several of which one is. One in f16, bf16 or f64 is cast, with
    a warning. `labels`: D names for a classifier, in the order of the
    logits; without them classes are called "0" to "D-1". Raises PackagingError on input that does not fit
    together, PrecisionRefused on a precision too far from f32 and ExportError on a module that does not export;
    `into` is then left unmade.
    """
    options = options or PackageOptions()
    into = Path(into)
    if into.exists():
        raise PackagingError(f"{str(into)!r} exists already; name a folder that does not.")
    if set(options.transforms) - {EXACT}:
        said = f"Photos are resized exactly, not as transforms={options.transforms}."
        warnings.warn(said, PackagingWarning, stacklevel=2)
    architecture = options.architecture or _qualified_name(module)
    _check_kind(options)
    module, cast = as_f32(module)
    if cast:
        warnings.warn(cast, PackagingWarning, stacklevel=2)
    adapted = _adapted(module, preprocess, labels, options.kind)
    told = _settings(options, adapted)
    reader = _reader(preprocess, options, told)
    offering = Offering.of(options.precisions, options.decodes)
    golden = _golden(options, offering)
    with tempfile.TemporaryDirectory(prefix="stagewright-") as scratch:
        model = Path(scratch) / "model"
        model.mkdir()
        width = export(adapted.module, preprocess, model, options.output, reader.comparable)
        width = width if adapted.classes is None else adapted.classes
        labels_count = _write_labels(labels, width, options.kind, model)
        (model / PREPROCESS).write_text(preprocess.to_json())
        settings.write(told, model)
        pickled = _write_callables(options.own_code, model)
        measured = {}
        if golden:
            measured = _measured(model, reader, offering, golden)
            hold_to(measured, options.min_agreement)
        golden_photos.answered(reader, model, offering).write(model)
        golden_photos.hold(reader, model, offering)
        code = copy_wrapper(Path(scratch), without=STAYS_BEHIND)
        parts = digests.of_parts(model, code, preprocess, golden)
        spec = ModelSpec(
            model_digest=digests.of_model(parts, options.kind, offering, model),
            kind=options.kind,
            architecture=architecture,
            **asdict(offering),
            labels_count=labels_count,
            digests=parts,
            versions=_versions(),
            pickled=pickled,
            measured=measured,
        )
        target = Path(scratch) / "packaged"
        _save(target, model, code, options.kind)
        spec.write(target)
        manifest.write(target)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, into)
    return into


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


def _measured(
    graphs: Path, model: ImageModel, offering: Offering, golden: GoldenPhotos
) -> dict[str, dict[str, float]]:
    """Make the int8 graph where photos for it are there, and measure everything that is no reference."""
    if golden.calibration:
        quantize(graphs, calibration_images(model, golden.calibration))
    others = offering.precisions[1:]
    by_precision = measure(model, graphs, offering.precisions, golden.measured) if others else {}
    return by_precision | measure_decodes(model, graphs, offering.decodes[1:], golden.measured)


def _write_labels(labels: Sequence[str] | None, width: int, kind: str, model: Path) -> int | None:
    if not model_class(kind).labelled:
        if labels is not None:
            raise PackagingError(f"A model of kind {kind!r} has no labels; leave them out.")
        return None
    names = [str(label) for label in labels] if labels is not None else [str(i) for i in range(width)]
    if len(names) != width:
        raise PackagingError(
            f"There are {len(names)} labels, but the module gives {width} logits; "
            "hand over one label for each, in the order of the logits."
        )
    (model / LABELS).write_text(json.dumps(names, ensure_ascii=False))
    return width


def _write_callables(own: OwnCode, model: Path) -> tuple[str, ...]:
    named = {
        name: code
        for name, code in {"transform": own.transform, "postprocess": own.postprocess}.items()
        if code
    }
    if not named:
        return ()
    by_value = {_module_of(code) for code in named.values()} - {None}
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        (model / CALLABLES).write_bytes(cloudpickle.dumps(named))
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return tuple(named)


def _module_of(code: object) -> ModuleType | None:
    """The scientist's module that must travel too; an installed package's stays a name to import."""
    module = sys.modules.get(getattr(code, "__module__", None) or type(code).__module__)
    if module is None or module.__name__ in ("__main__", "builtins") or not getattr(module, "__file__", None):
        return None
    installed = "site-packages" in Path(str(module.__file__)).parts
    return None if installed else module


def _save(target: Path, model: Path, code: Path, kind: str) -> None:
    script = target.parent / "entrypoint.py"
    text = Path(__file__).with_name("entrypoint.py").read_text()
    script.write_text(
        text.replace("pyfunc_models.kinds.classifier", f"{code.name}.kinds.{kind}").replace(
            "a classifier", f"kind {kind}"
        )
    )
    with importable(code):  # MLflow runs the script once while it saves
        mlflow.pyfunc.save_model(
            path=target,
            python_model=str(script),
            code_paths=[str(code)],
            artifacts={"model": str(model)},
            signature=model_class(kind).signature(),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED],
        )
    (target / GPU_REQUIREMENTS).write_text(f"-r requirements.txt\ntorch=={version('torch')}\n")


def _versions() -> dict[str, str]:
    names = ("stagewright", "mlflow", "openvino", "torch")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _qualified_name(module: torch.nn.Module) -> str:
    return f"{type(module).__module__}:{type(module).__qualname__}"
