"""The fast transform shows the same part of a photo at the same size, and is there only where it was measured."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from mlruns_fixture import LABELS, PREPROCESS, ColourNet
from mlruns_fixture.photos import draw_golden
from pyfunc_models import Preprocess
from pyfunc_models.engines import EngineUnavailable
from pyfunc_models.packaging import OwnCode, PackageOptions, PackagingError, PrecisionRefused, package
from pyfunc_models.preprocess import transform, transform_fast
from pyfunc_models.spec import ModelSpec

from . import own_code
from .images import photo


def difference(size: tuple[int, int], spec: Preprocess) -> np.ndarray:
    image = photo(*size)
    exact, fast = transform(image, spec), transform_fast(image, spec)
    assert fast.dtype == np.uint8
    assert fast.shape == exact.shape
    return np.abs(exact.astype(int) - fast)


# --- pixels


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (640, 640), (1001, 301), (301, 1001), (4000, 300)])
@pytest.mark.parametrize(
    "given",
    [{"resize": 256, "crop": 224}, {"resize": (64, 80)}, {"resize": 232, "crop": (100, 300)}],
    ids=str,
)
@pytest.mark.parametrize(
    ("interpolation", "largest", "mean"), [("bilinear", 2, 0.25), ("bicubic", 16, 0.5)], ids=str
)
def test_a_photo_that_shrinks_differs_by_rounding_only(size, given, interpolation, largest, mean) -> None:
    found = difference(size, Preprocess.of(interpolation=interpolation, **given))
    assert found.max() <= largest
    # The photo is noise for a third: one pixel beside the right place would be 20 and more.
    assert found.mean() < mean


@pytest.mark.parametrize("size", [(100, 80), (300, 100), (256, 400), (30, 11), (1, 65_535), (256, 256)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_photo_that_does_not_shrink_in_both_directions_has_the_exact_pixels(size, interpolation) -> None:
    assert difference(size, Preprocess.of(resize=256, crop=224, interpolation=interpolation)).max() == 0


def test_a_crop_larger_than_the_photo_is_padded_with_black_as_the_exact_one_is() -> None:
    spec = Preprocess(resize=100, crop=(150, 90))
    found = difference((300, 250), spec)
    assert found.max() <= 2
    assert not transform_fast(photo(300, 250), spec)[:25].any()


def test_it_takes_rgb_only() -> None:
    with pytest.raises(ValueError, match="mode 'L'"):
        transform_fast(photo(500, 375).convert("L"), PREPROCESS)


# In a Python of its own: memory that is not the photo's would end it.
ANY_SIZES = """
import random
import numpy as np
from PIL import Image
from pyfunc_models import fast_resample, resample
dice = random.Random(0)
noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
photos = [Image.fromarray(noise).resize((300, 300)), Image.new("RGB", (300, 300), (200, 100, 50))]
for _ in range(6000):
    image = dice.choice(photos).crop((0, 0, dice.randint(2, 300), dice.randint(2, 300)))
    by = dice.choice([1, 1, 2, 3, 300])
    size = tuple(max(1, dice.choice([edge // by, edge - by])) for edge in image.size)
    size = tuple(min(edge - 1, new) for edge, new in zip(image.size, size))
    left, top = (dice.randrange(edge) for edge in size)
    box = left, top, dice.randint(left + 1, size[0]), dice.randint(top + 1, size[1])
    for filter, most in ((Image.Resampling.BILINEAR, 2), (Image.Resampling.BICUBIC, 20)):
        exact, fast = (np.asarray(room.resize_and_crop(image, size, box, filter)).astype(int)
                       for room in (resample, fast_resample))
        assert np.abs(exact - fast).max() <= most, (image.size, size, box, filter)
print("done")
"""


def test_any_part_of_any_photo_that_shrinks_is_right() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ANY_SIZES],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_threads_do_not_disturb_each_other() -> None:
    spec = Preprocess.of(resize=100, crop=90, interpolation="bicubic")
    photos = [photo(200 + 7 * i, 300 - 5 * i, seed=i) for i in range(24)]
    alone = [transform_fast(image, spec) for image in photos]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together = list(pool.map(lambda image: transform_fast(image, spec), photos))
            for expected, found in zip(alone, together, strict=True):
                np.testing.assert_array_equal(found, expected)


# --- a version has it only where it was measured


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_golden(tmp_path_factory.mktemp("golden"), 24)


@pytest.fixture(scope="module")
def fast(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("packaged") / "fast"
    options = PackageOptions(transforms=("fast",), golden=golden)
    return package(ColourNet(), PREPROCESS, LABELS, into=into, options=options)


def scores(model: Path, photos: list[Path], **params: object) -> np.ndarray:
    contents = pd.DataFrame({"content": [path.read_bytes() for path in photos]})
    found = mlflow.pyfunc.load_model(str(model)).predict(contents, params={"top_k": 4, **params})
    by_label = [{entry["label"]: entry["score"] for entry in top} for top in found["top"]]
    return np.array([[row[label] for label in LABELS] for row in by_label])


def test_the_figures_are_those_of_the_pixels_and_answers_that_the_wrapper_gives(
    fast: Path, golden: Path
) -> None:
    photos = sorted(golden.iterdir())
    model = mlflow.pyfunc.load_model(str(fast)).unwrap_python_model()
    pixels = []
    for path in photos:
        image = model.decode(path.read_bytes())
        pixels.append(np.abs(transform(image, PREPROCESS).astype(int) - transform_fast(image, PREPROCESS)))
    exact, rough = scores(fast, photos), scores(fast, photos, transform="fast")
    changed = np.abs(exact - rough).max(axis=1)
    assert changed.max() > 0
    spec = ModelSpec.read(fast)
    assert (spec.precisions, spec.transforms, spec.decodes) == (("f32",), ("exact", "fast"), ("full",))
    assert spec.measured == {
        "fast": {
            "photos": 24,
            "largest_pixel_difference": np.max(pixels),
            "mean_pixel_difference": pytest.approx(np.mean(pixels), abs=1e-6),
            "agreement": pytest.approx((exact.argmax(axis=1) == rough.argmax(axis=1)).mean()),
            "largest_difference": pytest.approx(changed.max(), abs=1e-6),
            "mean_difference": pytest.approx(changed.mean(), abs=1e-6),
        }
    }


def test_the_library_is_required_where_a_job_may_need_it_and_nowhere_else(fast: Path, colours: Path) -> None:
    assert "cykooz-resizer==" in (fast / "requirements.txt").read_text()
    assert "cykooz-resizer==" not in (colours / "requirements.txt").read_text()
    assert ModelSpec.read(fast).model_digest != ModelSpec.read(colours).model_digest


def test_what_is_measured_is_a_model_with_code_of_its_own_too(golden: Path, tmp_path: Path) -> None:
    own = OwnCode(transform=own_code.swap_red_and_blue, postprocess=own_code.halve)
    options = PackageOptions(transforms=("fast",), golden=golden, own_code=own)
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "own", options=options)
    photos = sorted(golden.iterdir())
    changed = np.abs(scores(packaged, photos) - scores(packaged, photos, transform="fast")).max()
    measured = ModelSpec.read(packaged).measured["fast"]["largest_difference"]
    assert measured == pytest.approx(changed, abs=1e-6)


def test_a_version_without_it_says_how_to_have_it(colours: Path, golden: Path) -> None:
    with pytest.raises(ValueError, match=r"not registered with transform 'fast'.*`--transform fast`"):
        scores(colours, sorted(golden.iterdir()), transform="fast")


def test_without_photos_nothing_is_claimed(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"Jobs may choose fast only after it was measured.*--golden"):
        package(
            ColourNet(), PREPROCESS, LABELS, into=tmp_path / "m", options=PackageOptions(transforms=("fast",))
        )


def test_a_transform_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    options = PackageOptions(transforms=("quick",))
    with pytest.raises(PackagingError, match=r"no transform 'quick'; there are \['exact', 'fast'\]"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "m", options=options)


def test_below_the_floor_it_is_refused_with_its_figures(golden: Path, tmp_path: Path) -> None:
    options = PackageOptions(transforms=("fast",), golden=golden, min_agreement=1.01)
    with pytest.raises(PrecisionRefused, match=r"fast agrees with exact to .* 24 photos.*pixel difference"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "m", options=options)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("module", "package_name"), [("cykooz_resizer", "cykooz-resizer"), ("simplejpeg", "simplejpeg")]
)
def test_a_machine_without_a_library_says_what_to_install(
    module: str,
    package_name: str,
    fast: Path,
    golden: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Exception, match=rf"pip install '{package_name}.*every executor") as told:
        scores(fast, sorted(golden.iterdir()), transform="fast")
    assert type(told.value).__name__ == EngineUnavailable.__name__
    assert scores(fast, sorted(golden.iterdir())).shape == (24, 4)
    options = PackageOptions(transforms=("fast",), golden=golden)
    with pytest.raises(PackagingError, match="'fast' cannot be measured on this machine"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "m", options=options)


WITHOUT_TORCH = """
import sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(pandas.DataFrame({"content": [open(sys.argv[2], "rb").read()]}), {"transform": "fast"})
print(found["status"][0], *(name in sys.modules for name in ("torch", "cykooz_resizer", "simplejpeg")))
"""


def test_a_cpu_worker_does_it_without_torch(fast: Path, golden: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(fast), str(next(golden.iterdir()))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["ok", "False", "True", "True"], done.stderr
