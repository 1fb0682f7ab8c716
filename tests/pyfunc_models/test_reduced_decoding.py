"""A JPEG decoded at a smaller scale: large enough for the resize, in little memory, and else as in full."""

import subprocess
import sys
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlruns_fixture import LABELS, ColourNet
from mlruns_fixture.photos import draw_golden
from pyfunc_models import Preprocess, RowFault, Status, decode
from pyfunc_models.kinds import model_class
from pyfunc_models.packaging import OwnCode, PackageOptions, PackagingError, PrecisionRefused, package
from pyfunc_models.photos.formats.jpeg import keeps_coefficients
from pyfunc_models.transforms.preprocess import resized_size, transform
from pyfunc_models.worker.choices import DecodeChoice
from pyfunc_models.worker.spec import ModelSpec

from . import images, own_code

# Small enough that photos of 64 x 48 are reduced to one half.
SMALL = Preprocess(resize=20, crop=(16, 16), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def edge_of_256(size: tuple[int, int]) -> tuple[int, int]:
    return resized_size(size, Preprocess.of(resize=256, crop=224))


def jpeg(width: int, height: int, mode: str = "RGB", **options: object) -> bytes:
    return images.encode(images.photo(width, height).convert(mode), "JPEG", quality=90, **options)


# --- the scale


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((500, 375), (500, 375)),
        ((700, 511), (700, 511)),
        ((700, 512), (350, 256)),
        ((512, 1100), (256, 550)),
        ((1400, 1024), (350, 256)),
        ((3001, 2048), (376, 256)),
        ((100, 80), (100, 80)),
    ],
)
def test_the_scale_is_the_smallest_that_the_resize_need_not_enlarge(size, expected) -> None:
    assert decode(jpeg(*size), needed=edge_of_256).size == expected


def test_the_pixels_are_those_of_the_photo_made_smaller() -> None:
    content = images.encode(Image.linear_gradient("L").resize((1024, 1024)).convert("RGB"), "JPEG")
    reduced = np.asarray(decode(content, needed=lambda size: (128, 128))).astype(int)
    expected = np.asarray(decode(content).reduce(8)).astype(int)
    assert reduced.shape == expected.shape == (128, 128, 3)
    assert np.abs(reduced - expected).max() <= 3


@pytest.mark.parametrize("size", [(1030, 787), (787, 1030), (2047, 1033), (1024, 768)])
@pytest.mark.parametrize(
    "given", [{"resize": 100, "crop": 90}, {"resize": (90, 70)}, {"resize": 60, "crop": 80}], ids=str
)
def test_the_model_sees_the_same_part_at_the_same_place_as_in_full(size, given) -> None:
    # Slopes of 4 levels a pixel of the result: half a pixel off at its edges would be 2 in the mean.
    across = np.abs((np.linspace(0, 4 * 400, size[0])[None, :] % 510) - 255)
    down = np.abs((np.linspace(0, 4 * 400, size[1])[:, None] % 510) - 255)
    photo = np.stack(np.broadcast_arrays(across, down, (across + down) / 2), axis=-1).astype(np.uint8)
    content = images.encode(Image.fromarray(photo), "JPEG", quality=95, subsampling=0)
    spec = Preprocess.of(**given)
    reduced = decode(content, needed=lambda size: resized_size(size, spec))
    assert reduced.width < size[0] / 1.9
    found, expected = (transform(image, spec).astype(int) for image in (reduced, decode(content)))
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 0.75


def test_a_transform_of_ones_own_makes_another_photo_of_it() -> None:
    own = OwnCode(transform=lambda image: image.crop((0, 0, 32, 24)))
    model = model_class("classifier")()
    model.preprocess, model.own_code = SMALL, own
    content = jpeg(65, 49)
    small = model.decode(content, DecodeChoice.REDUCED)
    assert small.size == (33, 25)
    expected = transform(Image.fromarray(np.asarray(small)[:24, :32]), SMALL)
    np.testing.assert_array_equal(model.prepare(small), expected)


def test_a_model_that_only_crops_needs_every_pixel() -> None:
    crop = Preprocess.of(crop=224)
    assert decode(jpeg(1000, 1000), needed=lambda size: resized_size(size, crop)).size == (1000, 1000)


# --- everything else as in full


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"mode": "CMYK"}, {"mode": "L"}, {"subsampling": 0}]
)
def test_every_kind_of_jpeg_is_reduced_and_looks_the_same(options: dict[str, object]) -> None:
    content = jpeg(600, 520, **options)
    full, reduced = decode(content), decode(content, needed=edge_of_256)
    assert (reduced.mode, reduced.size) == ("RGB", (300, 260))
    expected = np.asarray(full.reduce(2)).astype(int)
    assert np.abs(np.asarray(reduced).astype(int) - expected).mean() < 8


def test_the_side_that_counts_is_that_of_the_photo_as_the_eye_sees_it() -> None:
    content = jpeg(600, 1100, exif=b"Exif\0\0" + images.exif(6))
    spec = Preprocess(resize=(300, 500), orientation="exif")
    seen = decode(content, orientation="exif", needed=lambda size: resized_size(size, spec))
    assert seen.size == (550, 300)
    stored = decode(content, needed=lambda size: resized_size(size, spec))
    assert stored.size == (600, 1100)
    whole = np.asarray(decode(content, orientation="exif").reduce(2)).astype(int)
    assert np.abs(np.asarray(seen).astype(int) - whole).mean() < 8


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_photo_is_told_as_in_full(progressive: bool) -> None:
    content = jpeg(1400, 1024, progressive=progressive)
    content = content[: len(content) // 2]
    assert decode(content, needed=edge_of_256) == decode(content)
    assert decode(content).status is Status.TRUNCATED


@pytest.mark.parametrize("name", images.one_of_each())
def test_what_is_no_jpeg_is_decoded_in_full(name: str) -> None:
    content = images.one_of_each()[name]
    full, found = decode(content), decode(content, needed=lambda size: (8, 6))
    if name == "mpo" or ("jpeg" in name and "tiff" not in name):
        assert found.size == (full.width // 8, full.height // 8)
    else:
        assert found == full


# --- the limit is on what is decoded


def test_a_photo_above_the_limit_in_full_is_decoded_where_reduced_it_is_below() -> None:
    content = jpeg(1400, 1024)
    full = decode(content, max_pixels=350 * 256)
    assert isinstance(full, RowFault)
    assert full.status is Status.TOO_LARGE
    assert decode(content, max_pixels=350 * 256, needed=edge_of_256).size == (350, 256)
    above = decode(content, max_pixels=350 * 256 - 1, needed=edge_of_256)
    assert above == RowFault(
        Status.TOO_LARGE, "350 x 256 = 89600 pixels are above the limit of 89599 (--max-pixels)"
    )


def test_a_progressive_photo_is_held_to_the_limit_in_full_because_all_its_coefficients_are_kept() -> None:
    content = jpeg(1400, 1024, progressive=True)
    refused = decode(content, max_pixels=1400 * 1024 - 1, needed=edge_of_256)
    assert refused == RowFault(
        Status.TOO_LARGE, "1400 x 1024 = 1433600 pixels are above the limit of 1433599 (--max-pixels)"
    )
    assert decode(content, max_pixels=1400 * 1024, needed=edge_of_256).size == (350, 256)


def test_coefficients_are_kept_where_a_pixel_comes_in_several_scans() -> None:
    baseline = jpeg(64, 48)
    assert not keeps_coefficients(baseline)
    assert not keeps_coefficients(jpeg(64, 48, mode="L"))
    assert not keeps_coefficients(jpeg(64, 48, exif=b"Exif\0\0" + images.exif(6) + b"\xff\xc2"))
    assert keeps_coefficients(jpeg(64, 48, progressive=True))
    scan = baseline.index(b"\xff\xda")
    one_component = baseline[: scan + 4] + b"\x01" + baseline[scan + 5 :]
    assert keeps_coefficients(one_component)
    assert keeps_coefficients(baseline[:scan])


# VmHWM, because ru_maxrss begins with the parent's.
PEAK = """
import sys
from PIL import Image
from pyfunc_models import Preprocess, decode
from pyfunc_models.transforms.preprocess import resized_size
def peak_mib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
content = open(sys.argv[1], "rb").read()
spec = Preprocess.of(resize=256, crop=224)
needed = (lambda size: resized_size(size, spec)) if sys.argv[2] == "reduced" else None
before = peak_mib()
size = decode(content, needed=needed).size
print(size[0] * size[1], peak_mib() - before)
"""


def peak(file: Path, how: str) -> tuple[int, float]:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(file), how],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    pixels, mib = done.stdout.split()
    return int(pixels), float(mib)


@pytest.mark.parametrize(
    ("size", "pixels", "full_mib", "most_mib"),
    [((4032, 3024), 504 * 378, 40, 10), ((8192, 6144), 1024 * 768, 160, 20)],
    ids=["12 megapixels", "50 megapixels"],
)
def test_the_peak_of_memory_is_that_of_the_reduced_photo(
    size: tuple[int, int], pixels: int, full_mib: int, most_mib: int, tmp_path: Path
) -> None:
    file = tmp_path / "large.jpg"
    Image.linear_gradient("L").resize(size).save(file, quality=90)
    with Image.open(file) as grey:
        Image.merge("RGB", [grey] * 3).save(file, quality=90)
    assert peak(file, "full")[1] > full_mib
    found, mib = peak(file, "reduced")
    assert found == pixels
    assert mib < most_mib


# --- a version has it only where photos were really reduced


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 that are reduced, and 6 PNGs that never are."""
    folder = draw_golden(tmp_path_factory.mktemp("golden"), 30)
    for path in sorted(folder.iterdir())[:6]:
        with Image.open(path) as image:
            image.save(path.with_suffix(".png"))
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def reduced(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("packaged") / "reduced"
    options = PackageOptions(decodes=("reduced",), golden=golden)
    return package(ColourNet(), SMALL, LABELS, into=into, options=options)


def answers(model: Path, photos: list[Path], how: str) -> pd.DataFrame:
    contents = pd.DataFrame({"content": [path.read_bytes() for path in photos]})
    return mlflow.pyfunc.load_model(str(model)).predict(contents, params={"decode": how, "top_k": 4})


def scores(found: pd.DataFrame) -> np.ndarray:
    by_label = [{entry["label"]: entry["score"] for entry in top} for top in found["top"]]
    return np.array([[row[label] for label in LABELS] for row in by_label])


def test_the_figures_are_of_the_photos_that_were_really_reduced(reduced: Path, golden: Path) -> None:
    photos = sorted(golden.glob("*.jpg"))
    full, small = (scores(answers(reduced, photos, how)) for how in ("full", "reduced"))
    changed = np.abs(full - small).max(axis=1)
    assert changed.max() > 1e-4
    spec = ModelSpec.read(reduced)
    assert (spec.transforms, spec.decodes) == (("exact",), ("full", "reduced"))
    figures = spec.measured["reduced"]
    assert (figures["photos"], figures["reduced"]) == (30, 24)
    assert figures["agreement"] == pytest.approx((full.argmax(axis=1) == small.argmax(axis=1)).mean())
    assert figures["largest_difference"] == pytest.approx(changed.max(), abs=1e-6)
    assert figures["mean_difference"] == pytest.approx(changed.mean(), abs=1e-6)
    assert 0 < figures["mean_pixel_difference"] < figures["largest_pixel_difference"] <= 255


def test_what_is_measured_is_a_model_with_code_of_its_own_too(golden: Path, tmp_path: Path) -> None:
    own = OwnCode(transform=own_code.swap_red_and_blue, postprocess=own_code.halve)
    options = PackageOptions(decodes=("reduced",), golden=golden, own_code=own)
    packaged = package(ColourNet(), SMALL, LABELS, into=tmp_path / "own", options=options)
    photos = sorted(golden.glob("*.jpg"))
    full, small = (scores(answers(packaged, photos, how)) for how in ("full", "reduced"))
    measured = ModelSpec.read(packaged).measured["reduced"]["largest_difference"]
    assert measured == pytest.approx(np.abs(full - small).max(), abs=1e-6)


def test_what_is_no_jpeg_has_the_same_answer_both_ways(reduced: Path, golden: Path) -> None:
    photos = sorted(golden.glob("*.png"))
    np.testing.assert_array_equal(*(scores(answers(reduced, photos, how)) for how in ("full", "reduced")))


def test_nothing_is_claimed_of_photos_that_are_too_small_to_be_reduced(golden: Path, tmp_path: Path) -> None:
    options = PackageOptions(decodes=("reduced",), golden=golden)
    large = Preprocess(resize=40, crop=(32, 32))
    with pytest.raises(PackagingError, match=r"Of 30 golden photos 0 were really reduced.*at least 20"):
        package(ColourNet(), large, LABELS, into=tmp_path / "m", options=options)


def test_without_photos_nothing_is_claimed(tmp_path: Path) -> None:
    options = PackageOptions(decodes=("reduced",))
    with pytest.raises(PackagingError, match=r"Jobs may choose reduced only after it was measured.*--golden"):
        package(ColourNet(), SMALL, LABELS, into=tmp_path / "m", options=options)


def test_a_decoding_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    options = PackageOptions(decodes=("quick",))
    with pytest.raises(PackagingError, match=r"no decode 'quick'; there are \['full', 'reduced'\]"):
        package(ColourNet(), SMALL, LABELS, into=tmp_path / "m", options=options)


def test_below_the_floor_it_is_refused_with_its_figures(golden: Path, tmp_path: Path) -> None:
    options = PackageOptions(decodes=("reduced",), golden=golden, min_agreement=1.01)
    with pytest.raises(PrecisionRefused, match=r"reduced agrees with full to .* 30 photos.*pixel difference"):
        package(ColourNet(), SMALL, LABELS, into=tmp_path / "m", options=options)
    assert not (tmp_path / "m").exists()


def test_a_version_without_it_says_how_to_have_it(colours: Path, golden: Path) -> None:
    with pytest.raises(ValueError, match=r"not registered with decode 'reduced'.*`--decode reduced`"):
        answers(colours, sorted(golden.iterdir()), "reduced")
