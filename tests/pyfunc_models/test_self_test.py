"""A version answers its golden photos before any other, and scores nothing where the answers are others."""

import base64
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.photos import draw_golden
from pyfunc_models import Preprocess
from pyfunc_models.engines import Precision
from pyfunc_models.packaging import PackageOptions, PackagingError, golden_photos, package
from pyfunc_models.packaging.golden_photos import draw
from pyfunc_models.worker import manifest
from pyfunc_models.worker.image_model import OwnCode
from pyfunc_models.worker.selftest import relative_difference
from tests.pyfunc_models.own_code import refuse_tall_photos

FILE = "artifacts/model/self-test.json"
RED = pd.DataFrame({"content": [PLAIN["red-64x48.jpg"]]})

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def changed(colours: Path, tmp_path: Path) -> Callable[[Change], mlflow.pyfunc.PyFuncModel]:
    """The version with other answers of golden photos, which its manifest vouches for: as another machine has it."""

    def load(change: Change) -> mlflow.pyfunc.PyFuncModel:
        copy = shutil.copytree(colours, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
        said = json.loads((copy / FILE).read_text())
        change(said)
        (copy / FILE).write_text(json.dumps(said))
        manifest.write(copy)
        return mlflow.pyfunc.load_model(str(copy))

    return load


def room(model: mlflow.pyfunc.PyFuncModel, name: str) -> ModuleType:
    """A module of the wrapper that this version carries."""
    package, _, _ = type(model.unwrap_python_model()).__module__.partition(".")
    return sys.modules[f"{package}.{name}"]


def another_decoder(said: dict[str, Any]) -> None:
    said["photos"][3]["decoded"]["full"] = "0" * 64
    said["made_on"]["pillow"] = "1.2.3"


def another_transform(said: dict[str, Any]) -> None:
    said["photos"][5]["prepared"]["full"] = "0" * 64


def another_status(said: dict[str, Any]) -> None:
    said["photos"][8]["decoded"]["full"] = "unsupported"


def another_engine(said: dict[str, Any]) -> None:
    outputs = np.frombuffer(base64.b64decode(said["outputs"]["f32"]), dtype="<f4") * np.float32(1.002)
    said["outputs"]["f32"] = base64.b64encode(outputs.tobytes()).decode()
    said["made_on"]["processor"] = "Another One"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            another_decoder,
            r"'progressive-444\.jpg' the decoder \(Pillow\) .* in place of 000000.*with: pillow 1\.2\.3",
        ),
        (another_transform, r"'cmyk\.jpg' the transform \(Pillow\) makes"),
        (another_status, r"'lossy\.webp' the decoder .* in place of unsupported"),
        (
            another_engine,
            r"'420\.jpg' the engine \(f32 on cpu\) .* off by 0\.002 .* 0\.001 is allowed.*Another One",
        ),
    ],
)
def test_other_answers_are_told_in_one_line_before_a_photo_is_read(
    changed: Callable[[Change], mlflow.pyfunc.PyFuncModel],
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    told: str,
) -> None:
    model = changed(change)
    read: list[object] = []
    monkeypatch.setattr(model.unwrap_python_model(), "read", read.append)
    for _ in range(2):  # what has failed has not been done
        with pytest.raises(RuntimeError, match=told) as raised:
            model.predict(RED)
        assert "\n" not in str(raised.value)
        assert type(raised.value).__name__ == "SelfTestError"
    assert read == []


def test_outputs_may_be_off_as_those_of_another_processor(
    changed: Callable[[Change], mlflow.pyfunc.PyFuncModel],
) -> None:
    def nearly(said: dict[str, Any]) -> None:
        outputs = np.frombuffer(base64.b64decode(said["outputs"]["f32"]), dtype="<f4") * np.float32(1.0001)
        said["outputs"]["f32"] = base64.b64encode(outputs.tobytes()).decode()

    assert changed(nearly).predict(RED)["label"].tolist() == ["red"]


def test_a_version_of_before_answers_as_ever(changed: Callable[[Change], mlflow.pyfunc.PyFuncModel]) -> None:
    model = changed(lambda said: None).unwrap_python_model()
    model.golden = None
    model.test_itself()
    assert model.predict(None, RED)["label"].tolist() == ["red"]


def test_it_is_asked_once_for_each_process_and_choice(
    changed: Callable[[Change], mlflow.pyfunc.PyFuncModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = changed(lambda said: said["made_on"].update(processor="asked once"))
    asked: list[str] = []
    room_of_test = room(model, "worker.selftest").SelfTest
    original = room_of_test.check_pixels
    monkeypatch.setattr(
        room_of_test,
        "check_pixels",
        lambda self, way, choice: asked.append(way.name) or original(self, way, choice),
    )
    for _ in range(3):
        model.predict(RED)
    assert asked.count("Pillow") == 1
    assert len(set(asked)) == len(asked)  # the way around Pillow too, where this process takes it by now


def test_the_way_around_pillow_is_held_to_it_when_it_is_first_taken(
    changed: Callable[[Change], mlflow.pyfunc.PyFuncModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = changed(lambda said: said["made_on"].update(processor="around"))
    usual = room(model, "transforms.usual_photo")
    black = np.zeros((9, 9, 3), np.uint8)
    monkeypatch.setattr(usual, "decode", lambda content, *given, **more: black)
    with pytest.raises(RuntimeError, match=r"'420\.jpg' the decoder \(simplejpeg and the compiled resize\)"):
        model.predict(RED)


def test_all_ways_are_tried_for_who_asks(changed: Callable[[Change], mlflow.pyfunc.PyFuncModel]) -> None:
    model = changed(lambda said: None).unwrap_python_model()
    model.test_itself()
    with pytest.raises(ValueError, match="was not registered with precision 'int8'"):
        model.test_itself("int8")
    model.golden.photos[0].decoded["full"] = "0" * 64
    with pytest.raises(RuntimeError, match="simplejpeg and the compiled resize"):
        model.test_itself()


def test_photos_are_drawn_the_same_each_time_and_are_small() -> None:
    photos = draw(Preprocess(resize=256, crop=(224, 224)))
    assert photos == draw(Preprocess(resize=256, crop=(224, 224)))
    assert sum(map(len, photos.values())) < 150_000


def leave(image: Image.Image) -> Image.Image:
    raise SystemExit("asked")


def test_a_transform_of_ones_own_is_not_asked_and_all_else_is(tmp_path: Path, colours: Path) -> None:
    options = PackageOptions(own_code=OwnCode(transform=leave))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "packaged", options=options)
    assert json.loads((packaged / FILE).read_text()) == json.loads((colours / FILE).read_text())
    mlflow.pyfunc.load_model(str(packaged)).unwrap_python_model().test_itself()


def test_a_version_with_reduced_decoding_is_tested_in_both(tmp_path: Path) -> None:
    recipe = Preprocess(resize=20, crop=(16, 16), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    golden = draw_golden(tmp_path / "golden", 20)
    options = PackageOptions(decodes=("reduced",), golden=golden)
    packaged = package(ColourNet(), recipe, LABELS, into=tmp_path / "packaged", options=options)
    first = json.loads((packaged / FILE).read_text())["photos"][0]
    assert first["decoded"]["full"] != first["decoded"]["reduced"]
    model = mlflow.pyfunc.load_model(str(packaged))
    assert model.predict(RED, params={"decode": "reduced"})["label"].tolist() == ["red"]
    model.unwrap_python_model().test_itself("f32", "reduced")
    model.unwrap_python_model().golden.photos[0].decoded["reduced"] = "0" * 64
    room(model, "worker.selftest")._passed.clear()
    with pytest.raises(RuntimeError, match="the decoder"):
        model.predict(RED, params={"decode": "reduced"})


def test_a_fresh_version_that_fails_its_own_self_test_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(golden_photos, "F32_TOLERANCE", -1.0)
    with pytest.raises(PackagingError, match="The version fails its own self-test on this machine"):
        package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "packaged")
    assert not (tmp_path / "packaged").exists()


def test_tolerances_follow_what_a_precision_costs_here() -> None:
    f32 = np.array([[1.0, -4.0]], np.float32)
    other = f32 + np.float32(0.1)
    assert relative_difference(f32[0], other[0]) == pytest.approx(0.025)
    assert golden_photos._tolerance(Precision.F32, f32, f32) == 1e-3
    assert golden_photos._tolerance(Precision.BF16, f32, other) == pytest.approx(0.05)
    assert golden_photos._tolerance(Precision.BF16, f32, f32) == 2.0**-6
    assert golden_photos._tolerance(Precision.INT8, f32, f32 + np.float32(1)) == pytest.approx(0.125)


def test_callables_of_another_python_are_told_in_one_line(tmp_path: Path) -> None:
    options = PackageOptions(own_code=OwnCode(transform=refuse_tall_photos))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "packaged", options=options)
    said = json.loads((packaged / "stagewright.json").read_text())
    said["versions"]["python"] = "3.7.1"
    (packaged / "stagewright.json").write_text(json.dumps(said))
    (packaged / "artifacts/model/callables.pkl").write_bytes(b"what Python 3.7 wrote")
    manifest.write(packaged)
    with pytest.raises(
        Exception, match=r"its transform by cloudpickle from Python 3\.7\.1, and this worker runs"
    ):
        mlflow.pyfunc.load_model(str(packaged))


def test_a_graph_that_this_openvino_cannot_read_is_told_in_one_line(colours: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(colours, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    graph = copy / "artifacts/model/model.xml"
    graph.write_text(graph.read_text().replace('version="opset1"', 'version="opset99"'))
    manifest.write(copy)
    with pytest.raises(
        RuntimeError, match=r"OpenVINO .* on this worker cannot load the graph model\.xml"
    ) as raised:
        mlflow.pyfunc.load_model(str(copy)).predict(RED)
    assert "\n" not in str(raised.value)
