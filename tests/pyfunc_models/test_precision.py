"""A precision is there only if it was measured: on photos, through the worker's own code, against a floor."""

import json
import math
import subprocess
import sys
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import openvino as ov
import pandas as pd
import pytest
import torch

from mlruns_fixture import LABELS, PREPROCESS, ColourNet
from mlruns_fixture.photos import draw_golden
from pyfunc_models.engines import EngineUnavailable, Precision, open_engine, torch_engine
from pyfunc_models.engines.device import Device
from pyfunc_models.kinds.classifier import ImageClassifier, softmax
from pyfunc_models.kinds.embedder import ImageEmbedder
from pyfunc_models.packaging import OwnCode, PackageOptions, PackagingError, PrecisionRefused, package
from pyfunc_models.packaging.measuring import GoldenPhotos, hold_to
from pyfunc_models.worker.spec import ModelSpec

from . import own_code

HAS_BF16 = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
CPU = Device("cpu", threads=2)


class SmallNet(torch.nn.Module):
    """A few convolutions with something to quantise; its logits are the colours' and a little noise."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, stride=2, bias=False), torch.nn.BatchNorm2d(16), torch.nn.ReLU()
        )
        self.body = torch.nn.Sequential(torch.nn.Conv2d(16, 16, 3), torch.nn.ReLU())
        self.head = torch.nn.Linear(16, len(LABELS))
        self.colours = ColourNet()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.body(self.stem(images)).mean(dim=(2, 3))
        return self.colours(images) + 0.1 * self.head(features)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_golden(tmp_path_factory.mktemp("golden"), 48)


@pytest.fixture(scope="module")
def quantized(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("packaged") / "small"
    options = PackageOptions(precisions=("int8",), golden=golden)
    return package(SmallNet(), PREPROCESS, LABELS, into=into, options=options)


def answers(model: Path, photos: list[Path], precision: str) -> pd.DataFrame:
    contents = pd.DataFrame({"content": [photo.read_bytes() for photo in photos]})
    return mlflow.pyfunc.load_model(str(model)).predict(contents, params={"precision": precision, "top_k": 4})


def scores(found: pd.DataFrame) -> np.ndarray:
    by_label = [{entry["label"]: entry["score"] for entry in top} for top in found["top"]]
    return np.array([[row[label] for label in LABELS] for row in by_label])


# --- what was measured


def test_the_figures_are_those_of_the_answers_that_the_wrapper_gives(quantized: Path, golden: Path) -> None:
    photos = list(GoldenPhotos.find(golden, calibrate=True).measured)
    exact, rough = (answers(quantized, photos, precision) for precision in ("f32", "int8"))
    difference = np.abs(scores(exact) - scores(rough)).max(axis=1)
    assert difference.max() > 1e-5
    assert ModelSpec.read(quantized).measured == {
        "int8": {
            "photos": 24,
            "agreement": pytest.approx((exact["label"] == rough["label"]).mean(), abs=1e-6),
            "largest_difference": pytest.approx(difference.max(), abs=1e-6),
            "mean_difference": pytest.approx(difference.mean(), abs=1e-6),
        }
    }


def test_the_graph_is_really_quantised_takes_photos_as_bytes_and_any_number_of_them(quantized: Path) -> None:
    graph = ov.Core().read_model(quantized / "artifacts" / "model" / "model-int8.xml")
    assert "FakeQuantize" in {node.get_type_name() for node in graph.get_ops()}
    assert graph.inputs[0].get_element_type() == ov.Type.u8
    assert graph.inputs[0].get_partial_shape().to_string() == "[?,32,32,3]"


def test_the_int8_graph_is_the_one_that_runs(quantized: Path) -> None:
    graphs = quantized / "artifacts" / "model"
    noise = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    whole = open_engine(graphs, CPU, Precision.INT8).submit(noise)()
    for image, expected in zip(noise, whole, strict=True):
        found = open_engine(graphs, CPU, Precision.INT8).submit(image[None])()[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    exact = open_engine(graphs, CPU, Precision.F32).submit(noise)()
    assert 1e-5 < np.abs(exact - whole).max() < 0.5


def test_bf16_is_measured_or_said_to_be_out_of_this_cpus_reach(golden: Path, tmp_path: Path) -> None:
    options = PackageOptions(precisions=("bf16",), golden=golden)
    if not HAS_BF16:
        with pytest.raises(PackagingError, match="bf16 cannot be measured on this machine"):
            package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "model", options=options)
        return
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "model", options=options)
    spec = ModelSpec.read(packaged)
    assert spec.precisions == ("f32", "bf16")
    assert spec.measured["bf16"]["photos"] == 48
    assert spec.measured["bf16"]["agreement"] >= 0.95
    assert not (packaged / "artifacts" / "model" / "model-int8.xml").exists()


def test_a_cpu_without_bf16_says_so_when_a_job_asks_for_it(quantized: Path, monkeypatch) -> None:
    real = ov.Core

    class OldCore:
        def get_property(self, device: str, name: str) -> object:
            found = real().get_property(device, name)
            return [c for c in found if c != "BF16"] if name == "OPTIMIZATION_CAPABILITIES" else found

    monkeypatch.setattr("openvino.Core", OldCore)
    with pytest.raises(EngineUnavailable, match="no bf16 arithmetic and would only emulate it slowly"):
        open_engine(quantized / "artifacts" / "model", CPU, Precision.BF16)


def test_int8_on_a_gpu_is_refused_with_what_there_is(quantized: Path) -> None:
    with pytest.raises(EngineUnavailable, match="int8 runs on CPUs"):
        torch_engine.load(quantized / "artifacts" / "model", CPU, Precision.INT8)


def test_a_transform_and_a_postprocessing_of_ones_own_are_part_of_what_is_measured(
    golden: Path, tmp_path: Path
) -> None:
    own = OwnCode(transform=own_code.swap_red_and_blue, postprocess=own_code.halve)
    options = PackageOptions(precisions=("int8",), golden=golden, min_agreement=0.5, own_code=own)
    packaged = package(SmallNet(), PREPROCESS, LABELS, into=tmp_path / "own", options=options)
    photos = list(GoldenPhotos.find(golden, calibrate=True).measured)
    exact, rough = (scores(answers(packaged, photos, precision)) for precision in ("f32", "int8"))
    measured = ModelSpec.read(packaged).measured["int8"]["largest_difference"]
    assert measured == pytest.approx(np.abs(exact - rough).max(), abs=1e-6)


# --- the kinds' figures, by hand


def test_a_classifier_agrees_where_the_best_class_is_the_same() -> None:
    reference = np.log(np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]], dtype=np.float32))
    other = np.log(np.array([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3]], dtype=np.float32))
    np.testing.assert_allclose(softmax(reference)[0], [0.7, 0.2, 0.1], rtol=1e-5)
    found = ImageClassifier.agreement(reference, other)
    assert found == {
        "agreement": 0.5,
        "largest_difference": pytest.approx(0.2, abs=1e-6),
        "mean_difference": pytest.approx(0.15, abs=1e-6),
    }


def test_an_embedder_agrees_by_direction_and_a_vector_of_nothing_agrees_with_nothing() -> None:
    reference = np.array([[3, 4], [1, 0], [0, 0]], dtype=np.float32)
    other = np.array([[6, 8], [0, 1], [1, 0]], dtype=np.float32)
    found = ImageEmbedder.agreement(reference[:2], other[:2])
    assert found == {
        "agreement": pytest.approx(0.5),
        "lowest_cosine": pytest.approx(0.0),
        "relative_difference": pytest.approx((1 + math.sqrt(2)) / 2, rel=1e-6),
    }
    assert ImageEmbedder.agreement(reference, other)["lowest_cosine"] == 0


def test_an_embedder_is_measured_too(golden: Path, tmp_path: Path) -> None:
    options = PackageOptions(kind="embedder", precisions=("int8",), golden=golden)
    packaged = package(SmallNet(), PREPROCESS, into=tmp_path / "embedder", options=options)
    figures = ModelSpec.read(packaged).measured["int8"]
    assert 0.9 < figures["lowest_cosine"] < figures["agreement"] < 1


# --- the floor


def test_a_precision_below_the_floor_is_refused_with_its_figures(golden: Path, tmp_path: Path) -> None:
    options = PackageOptions(precisions=("int8",), golden=golden, min_agreement=1.01)
    with pytest.raises(
        PrecisionRefused, match=r"int8 agrees with f32 to \d.* on 24 photos, less than the floor"
    ):
        package(SmallNet(), PREPROCESS, LABELS, into=tmp_path / "none", options=options)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("agreement", "floor", "refused"), [(0.94, 0.95, 1), (0.95, 0.95, 0), (0.1, 0.0, 0)])
def test_the_floor_itself_is_high_enough_and_none_takes_all(agreement, floor, refused) -> None:
    measured = {"bf16": {"photos": 100, "agreement": agreement, "largest_difference": 0.3}}
    if not refused:
        hold_to(measured, floor)
        return
    with pytest.raises(PrecisionRefused, match=r"largest difference 0\.3.*--min-agreement"):
        hold_to(measured, floor)


def test_no_number_passes_no_floor() -> None:
    with pytest.raises(PrecisionRefused, match="agrees with f32 to nan"):
        hold_to({"bf16": {"photos": 100, "agreement": math.nan}}, 0)


# --- the photos


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_precision_without_photos_to_measure_it_is_refused(precision: str, tmp_path: Path) -> None:
    options = PackageOptions(precisions=(precision,))
    with pytest.raises(
        PackagingError, match=f"Jobs may choose {precision} only after it was measured.*--golden"
    ):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "none", options=options)


@pytest.mark.parametrize(("precision", "count"), [("bf16", 19), ("int8", 39)])
def test_too_few_photos_are_refused(precision: str, count: int, tmp_path: Path) -> None:
    options = PackageOptions(precisions=(precision,), golden=draw_golden(tmp_path / "few", count))
    with pytest.raises(PackagingError, match=f"There are {count} different photos .* at least 20"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "none", options=options)


def test_copies_of_a_photo_count_once(tmp_path: Path) -> None:
    photos = draw_golden(tmp_path / "photos", 19)
    (photos / "again.jpg").write_bytes(next(photos.glob("*.jpg")).read_bytes())
    with pytest.raises(PackagingError, match="There are 19 different photos"):
        GoldenPhotos.find(photos, calibrate=False)


def test_photos_that_cannot_be_read_do_not_count_and_the_first_is_told(tmp_path: Path) -> None:
    photos = draw_golden(tmp_path / "photos", 19)
    (photos / "broken.jpg").write_bytes(b"this is no photo at all")
    options = PackageOptions(precisions=("int8",), golden=draw_golden(photos, 39))
    with pytest.raises(PackagingError, match=r"Only 19 golden photos can be read.*the first is undecodable"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "none", options=options)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="There is no folder"):
        GoldenPhotos.find(tmp_path / "nowhere", calibrate=False)


def test_no_photo_is_both_calibrated_and_measured_on_and_names_do_not_matter(tmp_path: Path) -> None:
    drawn = draw_golden(tmp_path / "photos", 45)
    parts = GoldenPhotos.find(drawn, calibrate=True)
    assert (len(parts.calibration), len(parts.measured)) == (23, 22)
    assert not set(parts.calibration) & set(parts.measured)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for number, photo in enumerate(sorted(drawn.iterdir(), reverse=True)):
        (renamed / f"{number}.jpeg").write_bytes(photo.read_bytes())
    assert GoldenPhotos.find(renamed, calibrate=True).digests() == parts.digests()


def test_calibration_takes_no_more_photos_than_it_needs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pyfunc_models.packaging.measuring.MAX_CALIBRATION", 21)
    parts = GoldenPhotos.find(draw_golden(tmp_path / "photos", 61), calibrate=True)
    assert (len(parts.calibration), len(parts.measured)) == (21, 40)


# --- identity


def test_the_same_photos_make_the_same_model_and_others_another(
    quantized: Path, golden: Path, tmp_path: Path
) -> None:
    def packaged(name: str, photos: Path) -> ModelSpec:
        options = PackageOptions(precisions=("int8",), golden=photos)
        return ModelSpec.read(package(SmallNet(), PREPROCESS, LABELS, into=tmp_path / name, options=options))

    first = ModelSpec.read(quantized)
    again = packaged("again", golden)
    assert (again.model_digest, again.measured) == (first.model_digest, first.measured)
    other = packaged("other", draw_golden(tmp_path / "others", 48, seed=1))
    assert other.model_digest != first.model_digest
    changed = {name for name in first.digests if first.digests[name] != other.digests[name]}
    assert changed == {"calibration", "golden", "int8"}


# --- nobody is told, and stdout stays the caller's

IN_A_FRESH_PYTHON = """
import logging, sys
from pathlib import Path
import openvino_telemetry
made = []
openvino_telemetry.Telemetry.init = lambda *args, **kwargs: made.append(args)
openvino_telemetry.Telemetry.send_event = lambda *args, **kwargs: made.append(args)
from pyfunc_models.packaging import PackageOptions, package
from mlruns_fixture import LABELS, PREPROCESS, ColourNet
package(ColourNet(), PREPROCESS, LABELS, into=sys.argv[2],
        options=PackageOptions(precisions=("int8",), golden=sys.argv[1]))
assert made == [], made
assert logging.getLoggerClass() is logging.Logger
assert sys.modules["openvino_telemetry"] is openvino_telemetry
"""


def test_quantising_tells_nobody_says_nothing_and_leaves_nothing_behind(golden: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PYTHON, str(golden), str(tmp_path / "model")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "nncf" not in done.stderr.lower()
    assert "CUDA_HOME" not in done.stderr


def test_int8_without_nncf_says_what_to_install(golden: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    options = PackageOptions(precisions=("int8",), golden=golden)
    with pytest.raises(PackagingError, match=r"pip install 'stagewright\[int8\]'"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "none", options=options)


def test_only_the_drivers_side_stays_behind(quantized: Path) -> None:
    [code] = (quantized / "code").iterdir()
    travelled = {path.name for path in code.iterdir() if path.name != "__pycache__"}
    assert travelled == {"__init__.py", "engines", "kinds", "photos", "transforms", "worker"}
    assert json.loads((quantized / "stagewright.json").read_text())["precisions"] == ["f32", "int8"]
