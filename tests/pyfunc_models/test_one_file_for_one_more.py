"""One more kind of prediction, photo format, resampling or engine is one new file, and its name in one place."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pyfunc_models
from mlruns_fixture import PLAIN
from tests.clusters import run_command

from . import images


@dataclass(frozen=True, slots=True)
class Addition:
    """A new file of the package; `named_in` is the one other file that changes, from each key to its value."""

    file: str
    text: str
    named_in: str | None = None
    by: tuple[tuple[str, str], ...] = ()


def package_with(additions: Sequence[Addition], into: Path) -> None:
    """A copy of the package as it is, and the additions."""
    copy = shutil.copytree(
        Path(pyfunc_models.__file__).parent,
        into / "pyfunc_models",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for addition in additions:
        assert not (copy / addition.file).exists()
        (copy / addition.file).write_text(addition.text)
        for before, after in addition.by:
            naming = copy / str(addition.named_in)
            assert naming.read_text().count(before) == 1
            naming.write_text(naming.read_text().replace(before, after))


USUAL = """
import io, itertools, json, sys
import mlflow.pyfunc, numpy, pandas, torch
from PIL import Image
from pyfunc_models import PHOTO_SUFFIXES, Preprocess, decode, transform
from pyfunc_models.packaging import PackageOptions, kind_names, package

class Mean(torch.nn.Module):
    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None]

numbers = itertools.count()

def answers(contents, kind="embedder", preprocess=Preprocess(resize=(32, 32))):
    into = f"model-{next(numbers)}"
    model = package(Mean(), preprocess, into=into, options=PackageOptions(kind=kind))
    return mlflow.pyfunc.load_model(str(model)).predict(pandas.DataFrame({"content": contents}))

"""


@dataclass(frozen=True, slots=True)
class Trial:
    """An addition, and a script that tries it on photos and prints JSON."""

    addition: Addition
    script: str
    photos: Sequence[bytes]


def run_with(trials: Sequence[Trial], folder: Path) -> list[Any]:
    """What each script prints, all in one Python whose package has all the additions."""
    package_with([trial.addition for trial in trials], folder)
    script = USUAL
    for place, trial in enumerate(trials):
        paths = [folder / f"photo-{place}-{number}" for number in range(len(trial.photos))]
        for path, content in zip(paths, trial.photos, strict=True):
            path.write_bytes(content)
        script += f'\nphotos = [open(path, "rb").read() for path in {[str(path) for path in paths]!r}]\n{trial.script}'
    done = run_command([sys.executable, "-c", script], env={"PYTHONPATH": str(folder)}, cwd=folder).check()
    return [json.loads(line) for line in done.stdout.splitlines()[-len(trials) :]]


# --- a kind of prediction

KIND = Addition(
    file="kinds/brightness.py",
    text='''
from typing import Any, ClassVar

from mlflow.types import ColSpec, DataType

from ..engines import Outputs
from ..worker.image_model import Column, ImageModel


class ImageBrightness(ImageModel):
    """`brightness`: the graph's one output."""

    kind = "brightness"
    outputs: ClassVar[list[ColSpec]] = [ColSpec(DataType.float, "brightness")]

    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        return {"brightness": outputs[:, 0]}

    def blank(self) -> dict[str, Any]:
        return {"brightness": float("nan")}

    @classmethod
    def agreement(cls, reference: Outputs, outputs: Outputs) -> dict[str, float]:
        return {"agreement": 1.0}


MODEL = ImageBrightness
''',
)

ANSWER_BY_KIND = """
found = answers([*photos, b""], "brightness")
print(json.dumps([kind_names(), found["brightness"].tolist()[:-1], found["status"].tolist()[-1]]))
"""


def test_a_kind_in_a_file_of_its_own_is_packaged_loaded_and_answers(together: list[Any]) -> None:
    kinds, (darker, brighter), status = together[0]
    assert kinds == ["brightness", "classifier", "detector", "embedder", "multilabel"]
    assert 0 < darker < brighter < 1
    assert status == "empty"


# --- a photo format

FORMAT = Addition(
    file="photos/formats/ppm.py",
    text="""
from PIL import PpmImagePlugin

from .format import Format


def _is_cut_off(content: bytes) -> bool:
    _, width, height, _, pixels = content.split(maxsplit=4)
    return len(pixels) < 3 * int(width) * int(height)


FORMAT = Format(
    name="PPM",
    suffixes=("ppm",),
    heads=(b"P6",),
    plugin=PpmImagePlugin.PpmImageFile,
    is_cut_off=_is_cut_off,
)
""",
    named_in="photos/formats/__init__.py",
    by=(('    "jpeg2000",\n', '    "jpeg2000",\n    "ppm",\n'),),
)

READ_THE_FORMAT = """
found = answers([*photos, b"P5 1 1 255 a"])
means = [None if vector is None else float(vector[0]) for vector in found["embedding"]]
pixels = [numpy.asarray(decode(content)).tolist() for content in photos[:2]]
print(json.dumps([means, found["status"].tolist(), found["error"].tolist(), pixels, PHOTO_SUFFIXES]))
"""


def test_a_photo_format_in_a_file_of_its_own_is_read_and_its_faults_are_told(together: list[Any]) -> None:
    means, status, error, (by_ppm, by_png), suffixes = together[1]
    assert by_ppm == by_png
    assert means[0] == means[1] > 0
    assert status == ["ok", "ok", "truncated", "unsupported"]
    assert error[2:] == [
        "PPM is cut off after 900 bytes",
        "Netpbm is not supported; supported are JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC, JPEG 2000, PPM",
    ]
    assert suffixes[-1] == "ppm"


# --- a resampling

RESAMPLING = Addition(
    file="transforms/resamplings/lanczos.py",
    text="""
import numpy as np
from PIL import Image

from .resampling import Floats, Resampling


def _sinc(x: Floats) -> Floats:
    return np.divide(np.sin(x * np.pi), x * np.pi, out=np.ones_like(x), where=x != 0)


def _curve(x: Floats) -> Floats:
    return np.where(x < 3.0, _sinc(x) * _sinc(x / 3), 0.0)


RESAMPLING = Resampling("lanczos", Image.Resampling.LANCZOS, 3.0, _curve)
""",
    named_in="transforms/resamplings/__init__.py",
    by=(('    "bicubic",\n', '    "bicubic",\n    "lanczos",\n'),),
)

SIZES = ((200, 150), (60, 90), (30, 20))
RESIZE_BY_IT = """
from torchvision.transforms import CenterCrop, InterpolationMode, Resize, ToTensor
from pyfunc_models.transforms import usual_photo
from pyfunc_models.transforms.compiled_resample import Compiler

spec = Preprocess(resize=(40, 50), crop=(32, 30), interpolation="lanczos")
chain = [Resize((40, 50), interpolation=InterpolationMode.LANCZOS), CenterCrop((32, 30)), ToTensor()]
compiler = Compiler(worth=0)
same = [Preprocess.from_torchvision(chain) == spec, compiler.passes() is not None]
means = []
for content in photos:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    expected = numpy.asarray(image.resize((50, 40), Image.Resampling.LANCZOS).crop((10, 4, 40, 36)))
    around = usual_photo.transform(usual_photo.decode(content, compiler), spec, compiler)
    same += [numpy.array_equal(found, expected) for found in (transform(image, spec), around)]
    means.append(expected.mean() / 255)
found = answers(photos * 8, preprocess=spec)
same.append(bool(numpy.allclose(numpy.stack(found["embedding"])[:, 0], means * 8, atol=1e-5)))
print(json.dumps(same))
"""


def test_a_resampling_in_a_file_of_its_own_has_pillows_pixels_compiled_too(together: list[Any]) -> None:
    assert together[2] == [True] * (2 + 2 * len(SIZES) + 1)


# --- these three are none of each other's business, so one Python tries them


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    picture = images.photo(40, 30)
    ppm, png = images.encode(picture, "PPM"), images.encode(picture, "PNG")
    return run_with(
        [
            Trial(KIND, ANSWER_BY_KIND, [PLAIN["blue-64x48.jpg"], PLAIN["grey-64x48.jpg"]]),
            Trial(FORMAT, READ_THE_FORMAT, [ppm, png, ppm[:900]]),
            Trial(RESAMPLING, RESIZE_BY_IT, [images.encode(images.photo(*size), "JPEG") for size in SIZES]),
        ],
        tmp_path_factory.mktemp("together"),
    )


# --- an engine

ENGINE = Addition(
    file="engines/size_engine.py",
    text='''
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import Images, Outputs, Precision
from .device import Device


class SizeEngine:
    """Whatever the graph is: float32 [N, 3], height, width and the mean of an image's bytes."""

    slots = 1
    batch_size = 2

    def submit(self, images: Images) -> Callable[[], Outputs]:
        rows = [[*image.shape[:2], image.mean()] for image in images]
        return lambda: np.array(rows, dtype=np.float32)


def load(graphs: Path, device: Device, precision: Precision) -> SizeEngine:
    assert (graphs / "model.xml").is_file()
    return SizeEngine()
''',
    named_in="engines/__init__.py",
    by=(('"cpu": "openvino_engine"', '"cpu": "size_engine"'),),
)

ANSWER_BY_ENGINE = """
found = answers(photos, preprocess=Preprocess(resize=(32, 48)))
print(json.dumps([vector.tolist() for vector in found["embedding"]]))
"""


def test_an_engine_in_a_file_of_its_own_answers_from_the_loaded_model(tmp_path: Path) -> None:
    greys = [images.encode(images.flat((level,) * 3), "PNG") for level in (10, 20, 30)]
    [found] = run_with([Trial(ENGINE, ANSWER_BY_ENGINE, greys)], tmp_path)
    assert found == [[32, 48, level] for level in (10, 20, 30)]
