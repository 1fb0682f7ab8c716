"""A packaged model needs no architecture, no pickle and no stagewright, and says when it is not whole."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from mlruns_fixture.photos import draw_golden
from pyfunc_models import Preprocess
from pyfunc_models.packaging import ExportError, OwnCode, PackageOptions, PackagingError, package
from pyfunc_models.worker.spec import ModelSpec

from . import own_code


def answers(model: Path) -> pd.DataFrame:
    return mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"content": list(PLAIN.values())}))


def measured_precisions(beside: Path) -> PackageOptions:
    golden = draw_golden(beside.with_name("golden"), 40)
    return PackageOptions(precisions=("int8",), golden=golden)


def test_the_same_model_packaged_twice_has_the_same_digest(colours: Path, tmp_path: Path) -> None:
    again = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "again")
    assert ModelSpec.read(again).model_digest == ModelSpec.read(colours).model_digest


@pytest.mark.parametrize(
    "other",
    [
        lambda into: package(ColourNet(3.0), PREPROCESS, LABELS, into=into),
        lambda into: package(ColourNet(), Preprocess(resize=36, crop=(32, 32)), LABELS, into=into),
        lambda into: package(ColourNet(), PREPROCESS, LABELS[::-1], into=into),
        lambda into: package(ColourNet(), PREPROCESS, LABELS, into=into, options=measured_precisions(into)),
    ],
    ids=["weights", "preprocess", "labels", "precisions"],
)
def test_whatever_decides_a_prediction_changes_the_digest(other, colours: Path, tmp_path: Path) -> None:
    changed = ModelSpec.read(other(tmp_path / "other"))
    assert changed.model_digest != ModelSpec.read(colours).model_digest


def test_the_manifest_is_one_that_sha256sum_accepts_and_covers_everything(colours: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=colours, check=True)
    listed = {line.split("  ")[1] for line in (colours / "SHA256SUMS").read_text().splitlines()}
    there = {p.relative_to(colours).as_posix() for p in colours.rglob("*") if p.is_file()}
    assert {name for name in there if "__pycache__" not in name} - listed == {"SHA256SUMS"}


@pytest.mark.parametrize(
    "damaged",
    [
        "artifacts/model/model.bin",
        "artifacts/model/model.xml",
        "artifacts/model/labels.json",
        "stagewright.json",
    ],
)
def test_a_flipped_byte_is_refused_before_anything_is_parsed(
    damaged: str, colours: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(colours, tmp_path / "copy")
    content = bytearray((copy / damaged).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / damaged).write_bytes(bytes(content))
    with pytest.raises(ValueError, match=f"'{damaged}' is not the file that was packaged"):
        answers(copy)


def test_a_file_that_was_added_is_refused(colours: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(colours, tmp_path / "copy")
    (copy / "artifacts" / "model" / "extra.py").write_text("")
    with pytest.raises(ValueError, match=r"extra\.py.* is not in SHA256SUMS"):
        answers(copy)


def test_nothing_is_pickled_unless_the_scientist_hands_over_code(colours: Path) -> None:
    assert ModelSpec.read(colours).pickled == ()
    assert not [path for path in colours.rglob("*") if path.suffix in (".pkl", ".pickle")]


IN_A_FRESH_PYTHON = """
import json, sys
sys.path[:] = [entry for entry in sys.path if entry and not entry.endswith("/main")]
sys.modules["registry"] = sys.modules["jobs"] = sys.modules["pyfunc_models"] = sys.modules["mlruns_fixture"] = None
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
photos = [open(path, "rb").read() for path in sys.argv[2:]]
found = model.predict(pandas.DataFrame({"content": photos}))
print(json.dumps({"labels": found["label"].tolist(), "torch": "torch" in sys.modules}))
"""


def fresh_answers(model: Path, tmp_path: Path) -> dict[str, object]:
    paths = []
    for name, content in PLAIN.items():
        (tmp_path / name).write_bytes(content)
        paths.append(str(tmp_path / name))
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PYTHON, str(model), *paths],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_python_without_stagewright_and_the_architecture_loads_it_and_never_imports_torch(
    colours: Path, tmp_path: Path
) -> None:
    found = fresh_answers(colours, tmp_path)
    assert found == {"labels": [name.partition("-")[0] for name in PLAIN], "torch": False}


def test_a_callable_of_ones_own_travels_by_value_and_is_named(tmp_path: Path) -> None:
    own = OwnCode(transform=own_code.swap_red_and_blue, postprocess=own_code.halve)
    packaged = package(
        ColourNet(), PREPROCESS, LABELS, into=tmp_path / "own", options=PackageOptions(own_code=own)
    )
    assert ModelSpec.read(packaged).pickled == ("transform", "postprocess")
    swapped = {"red": "blue", "blue": "red"}
    expected = [swapped.get(name.partition("-")[0], name.partition("-")[0]) for name in PLAIN]
    assert fresh_answers(packaged, tmp_path)["labels"] == expected


def test_a_policy_against_pickles_holds_for_ours_too(tmp_path: Path, monkeypatch) -> None:
    own = PackageOptions(own_code=OwnCode(postprocess=own_code.halve))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "own", options=own)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(ValueError, match="carries callables by cloudpickle"):
        answers(packaged)


def test_a_transform_that_raises_is_that_rows_fault(tmp_path: Path) -> None:
    own = PackageOptions(own_code=OwnCode(transform=own_code.refuse_tall_photos))
    packaged = package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "own", options=own)
    found = answers(packaged)
    tall = ["48x64" in name for name in PLAIN]
    assert (found["status"] == "unsupported").tolist() == tall
    assert all("no tall photos" in error for error in found["error"][np.array(tall)])


def test_packaging_tells_nobody(tmp_path: Path, monkeypatch) -> None:
    import openvino_telemetry

    made: list[object] = []
    monkeypatch.setattr(openvino_telemetry.Telemetry, "init", lambda *args, **kwargs: made.append(args))
    package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "model")
    assert made == []


class ReadsValues(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.mean().item() > 0:
            return images.mean(dim=(2, 3))
        return images.amax(dim=(2, 3))


class GivesMaps(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


class GivesDict(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"pooled": images.mean(dim=(2, 3)), "peaks": images.amax(dim=(2, 3))}


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (ReadsValues(), "ReadsValues does not export with a dynamic batch(.|\n)*control flow"),
        (GivesMaps(), r"one tensor \[N, D\].*it gives float32 \[N, 3, "),
        (GivesDict(), r"dict of pooled \(float32 \[N, 3\]\), .*--output NAME"),
    ],
)
def test_a_module_that_does_not_export_is_told_why_and_what_to_do(module, said: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=said):
        package(module, PREPROCESS, into=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_wrong_number_of_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="3 labels, but the module gives 4 logits"):
        package(ColourNet(), PREPROCESS, LABELS[:3], into=tmp_path / "none")


def test_an_existing_folder_is_never_overwritten(colours: Path) -> None:
    with pytest.raises(PackagingError, match="exists already"):
        package(ColourNet(), PREPROCESS, LABELS, into=colours)


@pytest.mark.parametrize("wrong", [{"kind": "oracle"}, {"precisions": ("fp8",)}])
def test_options_that_do_not_exist_are_refused_with_those_that_do(wrong, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are"):
        package(ColourNet(), PREPROCESS, into=tmp_path / "none", options=PackageOptions(**wrong))


@pytest.fixture(scope="module")
def asked_for_fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packaged as a caller of 0.1.0 asks for a transform that is none any more."""
    into = tmp_path_factory.mktemp("packaged") / "fast"
    with pytest.warns(UserWarning, match=r"resized exactly, not as transforms=\('fast',\)"):
        return package(
            ColourNet(), PREPROCESS, LABELS, into=into, options=PackageOptions(transforms=("fast",))
        )


def test_a_transform_that_was_a_choice_once_is_packaged_exactly(asked_for_fast: Path, colours: Path) -> None:
    spec, exact = ModelSpec.read(asked_for_fast), ModelSpec.read(colours)
    assert (spec.transforms, spec.measured) == (("exact",), {})
    assert spec.model_digest == exact.model_digest
    assert "cykooz" not in (asked_for_fast / "requirements.txt").read_text()


def test_a_job_that_names_that_transform_gets_the_exact_answers(asked_for_fast: Path) -> None:
    photos = pd.DataFrame({"content": list(PLAIN.values())})
    found = mlflow.pyfunc.load_model(str(asked_for_fast)).predict(photos, params={"transform": "fast"})
    pd.testing.assert_frame_equal(found, answers(asked_for_fast))


@pytest.mark.filterwarnings("error:.*resized exactly")
def test_exactly_is_packaged_without_a_word(tmp_path: Path) -> None:
    options = PackageOptions(transforms=("exact",))
    assert ModelSpec.read(
        package(ColourNet(), PREPROCESS, into=tmp_path / "m", options=options)
    ).transforms == ("exact",)


def test_the_spec_of_a_version_with_a_transform_that_is_gone_is_still_read(
    colours: Path, tmp_path: Path
) -> None:
    document = json.loads((colours / "stagewright.json").read_text())
    figures = {"fast": {"photos": 24.0, "agreement": 1.0}}
    older = {**document, "transforms": ["exact", "fast"], "measured": figures}
    (tmp_path / "stagewright.json").write_text(json.dumps(older))
    spec = ModelSpec.read(tmp_path)
    assert (spec.transforms, spec.measured) == (("exact", "fast"), figures)


def test_the_module_stays_in_the_mode_that_it_was_in(tmp_path: Path) -> None:
    module = ColourNet().train()
    package(module, PREPROCESS, LABELS, into=tmp_path / "model")
    assert module.training


def small_mobilenet() -> torch.nn.Module:
    """As mobilenet_v3_small, of five of its eleven blocks: one of each kind."""
    blocks = [
        InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 1.0),
        InvertedResidualConfig(16, 3, 72, 24, False, "RE", 2, 1, 1.0),
        InvertedResidualConfig(24, 3, 88, 24, False, "RE", 1, 1, 1.0),
        InvertedResidualConfig(24, 5, 96, 40, True, "HS", 2, 1, 1.0),
        InvertedResidualConfig(40, 5, 240, 40, True, "HS", 1, 1, 1.0),
    ]
    return MobileNetV3(blocks, last_channel=64, num_classes=10)


def small_transformer() -> torch.nn.Module:
    """As vit_b_16, of 0.3 instead of 86 million weights."""
    sizes = {"image_size": 224, "patch_size": 32, "num_layers": 2, "num_heads": 2, "hidden_dim": 64}
    return torchvision.models.VisionTransformer(**sizes, mlp_dim=128, num_classes=10)


@pytest.mark.parametrize("make", [small_mobilenet, small_transformer])
def test_torchvisions_architectures_package_and_agree_with_eager_torch(
    make: Callable[[], torch.nn.Module], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = make().eval()
    spec = Preprocess(resize=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    packaged = package(module, spec, into=tmp_path / "model", options=PackageOptions(kind="embedder"))
    contents = list(PLAIN.values())[:3]
    found = mlflow.pyfunc.load_model(str(packaged)).predict(pd.DataFrame({"content": contents}))
    expected = own_code.eager(module, contents, spec)
    np.testing.assert_allclose(np.stack(found["embedding"]), expected, atol=1e-4, rtol=1e-4)
