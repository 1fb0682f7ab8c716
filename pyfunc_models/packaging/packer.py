"""nn.Module + Preprocess + labels -> a model directory."""

import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import cloudpickle
import mlflow.pyfunc
import torch

from ..carried import STAYS_BEHIND, copy_wrapper, importable
from ..kinds import model_class
from ..requirements import requirements_by_name
from ..transforms.preprocess import Preprocess
from ..worker import manifest, settings
from ..worker.image_model import LABELS, PREPROCESS
from ..worker.own_code import CALLABLES, OwnCode
from ..worker.spec import ModelSpec
from . import digests, golden_photos
from .asked import Asked, PackageOptions, checked
from .errors import PackagingError
from .export import export
from .measuring import calibration_images, hold_to, measure
from .measuring_decoding import measure_decodes
from .quantize import quantize

# What an OpenVINO worker imports. A GPU worker needs torch besides; see GPU_REQUIREMENTS.
REQUIRED = ("mlflow", "openvino", "pillow", "numpy", "pandas", "pyarrow", "numba", "simplejpeg")
GPU_REQUIREMENTS = "requirements-gpu.txt"


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
    into = Path(into)
    if into.exists():
        raise PackagingError(f"{str(into)!r} exists already; name a folder that does not.")
    asked = checked(module, preprocess, labels, options or PackageOptions())
    with tempfile.TemporaryDirectory(prefix="stagewright-") as scratch:
        packaged = _packaged(asked, Path(scratch))
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(packaged, into)
    return into


def _packaged(asked: Asked, scratch: Path) -> Path:
    """The whole directory, below `scratch`."""
    model = scratch / "model"
    model.mkdir()
    labels_count, pickled = _write_parts(asked, model)
    measured = _measured(asked, model)
    golden_photos.answered(asked.reader, model, asked.offering).write(model)
    golden_photos.hold(asked.reader, model, asked.offering)
    code = copy_wrapper(scratch, without=STAYS_BEHIND)
    parts = digests.of_parts(model, code, asked.preprocess, asked.golden)
    spec = ModelSpec(
        model_digest=digests.of_model(parts, asked.options.kind, asked.offering, model),
        kind=asked.options.kind,
        architecture=asked.architecture,
        **asdict(asked.offering),
        labels_count=labels_count,
        digests=parts,
        versions=_versions(),
        pickled=pickled,
        measured=measured,
    )
    target = scratch / "packaged"
    _save(target, model, code, asked.options.kind)
    spec.write(target)
    manifest.write(target)
    return target


def _write_parts(asked: Asked, model: Path) -> tuple[int | None, tuple[str, ...]]:
    """The graph and what goes with it, into `model`; how many labels there are, and which parts are pickled."""
    options, adapted = asked.options, asked.adapted
    width = export(adapted.module, asked.preprocess, model, options.output, asked.reader.comparable)
    width = width if adapted.classes is None else adapted.classes
    labels_count = _write_labels(asked.labels, width, options.kind, model)
    (model / PREPROCESS).write_text(asked.preprocess.to_json())
    settings.write(asked.reader.settings, model)
    return labels_count, _write_callables(options.own_code, model)


def _measured(asked: Asked, graphs: Path) -> dict[str, dict[str, float]]:
    """Make the int8 graph where photos for it are there, and measure everything that is no reference.

    Raises PrecisionRefused.
    """
    golden, offering, model = asked.golden, asked.offering, asked.reader
    if golden is None:
        return {}
    if golden.calibration:
        quantize(graphs, calibration_images(model, golden.calibration))
    others = offering.precisions[1:]
    by_precision = measure(model, graphs, offering.precisions, golden.measured) if others else {}
    measured = by_precision | measure_decodes(model, graphs, offering.decodes[1:], golden.measured)
    hold_to(measured, asked.options.min_agreement)
    return measured


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
    with requirements_by_name(), importable(code):  # MLflow runs the script once while it saves
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
