"""Folders as transformers and timm save them: registered by one option, answering as those libraries do."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from jobs import InputError, pretrained
from jobs.cli import main
from mlruns_fixture.build import Fixture

EDGE = 64


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models with random weights, each saved by its own library."""
    import timm
    import transformers as hf

    found = {name: tmp_path_factory.mktemp(name) for name in ("vit", "resnet", "timm")}
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    labels = {0: "cat", 1: "dog, or\nwolf", 2: "<b>bird</b>"}
    vit = hf.ViTConfig(image_size=EDGE, patch_size=16, id2label=labels, **small)  # type: ignore[arg-type]
    hf.ViTForImageClassification(vit).save_pretrained(found["vit"])
    hf.ViTImageProcessor(size={"height": EDGE, "width": EDGE}).save_pretrained(found["vit"])
    stages: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
    resnet = hf.ResNetConfig(embedding_size=8, layer_type="basic", id2label=labels, **stages)
    hf.ResNetForImageClassification(resnet).save_pretrained(found["resnet"])
    hf.ConvNextImageProcessor(size={"shortest_edge": EDGE}, crop_pct=0.875).save_pretrained(found["resnet"])
    net = timm.create_model("test_resnet.r160_in1k", num_classes=3)
    named = {"label_names": list(labels.values())}
    timm.models.save_for_hf(net, str(found["timm"]), model_config=named, safe_serialization=True)
    return found


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a folder, to be spoiled."""
    return lambda name: Path(shutil.copytree(folders[name], tmp_path / name))


def photos() -> list[Image.Image]:
    """Of odd and even sizes, one of them on its side."""
    noise = np.random.default_rng(1)
    sizes = ((97, 130), (201, 84), (64, 64), (75, 75), (300, 211))
    return [Image.fromarray(noise.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def encoded(image: Image.Image, turned: bool = False) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **({"exif": exif} if turned else {}))  # type: ignore[arg-type]
    return buffer.getvalue()


def contents() -> list[bytes]:
    return [encoded(image) for image in photos()] + [encoded(photos()[0], turned=True)]


def by_the_library(folder: Path, content: bytes) -> dict[str, float]:
    """Label -> score, by transformers' own pipeline."""
    import transformers as hf

    pipe = hf.pipeline(
        "image-classification",
        model=str(folder),
        image_processor=hf.AutoImageProcessor.from_pretrained(str(folder), backend="pil"),
    )
    # A photo as the pipeline itself opens it.
    found = pipe(hf.image_utils.load_image(Image.open(io.BytesIO(content))), top_k=3)
    return {each["label"]: each["score"] for each in found}


def registered(folder: Path, fixture: Fixture, name: str) -> Any:
    assert main(["register", name, "--from", str(folder)]) == 0
    return mlflow.pyfunc.load_model(f"models:/{name}/1")


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_a_folder_of_transformers_answers_as_its_pipeline(
    name: str, folders: dict[str, Path], fixture: Fixture
) -> None:
    model = registered(folders[name], fixture, name)
    given = contents()
    answers = model.predict(pd.DataFrame({"content": given}), params={"top_k": 3})
    for content, top in zip(given, answers["top"], strict=True):
        expected = by_the_library(folders[name], content)
        found = {each["label"]: each["score"] for each in top}
        assert found.keys() == expected.keys()
        assert all(abs(found[label] - expected[label]) <= 1e-4 for label in found)


def test_a_folder_of_timm_answers_as_timm(folders: dict[str, Path], fixture: Fixture) -> None:
    import timm

    model = registered(folders["timm"], fixture, "timm")
    net = timm.create_model("test_resnet.r160_in1k", num_classes=3)
    net.load_state_dict(load_file(folders["timm"] / "model.safetensors"))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net), is_training=False)
    given = contents()[:5]
    answers = model.predict(pd.DataFrame({"content": given}), params={"top_k": 3})
    for content, top in zip(given, answers["top"], strict=True):
        with torch.no_grad():
            scores = net.eval()(transform(Image.open(io.BytesIO(content)))[None]).softmax(1)[0].tolist()
        expected = dict(zip(["cat", "dog, or\nwolf", "<b>bird</b>"], scores, strict=True))
        assert all(abs(each["score"] - expected[each["label"]]) <= 1e-4 for each in top)


def _json(file: str, **changed: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        known = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**known, **changed}))

    return spoil


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return spoil


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def _stray_shards(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _not_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"architectures": ')


PREPROCESSOR = "preprocessor_config.json"
HARM: list[tuple[str, Callable[[Path], Any], str]] = [
    ("vit", _json("config.json", auto_map={"AutoModel": "code.Model"}), "which is not run"),
    ("vit", _json("config.json", mystery=1), "'mystery', of which it is not known"),
    ("vit", _json("config.json", architectures=["ViTModel"]), "not of an image classifier"),
    ("vit", _json("config.json", architectures=["BeitForImageClassification"]), "made a ViTForImage"),
    ("vit", _json("config.json", model_type="no_such"), "transformers cannot load"),
    ("vit", _json("config.json", id2label={"0": "a", "2": "c", "7": "d"}), "one for each of the 3 classes"),
    ("vit", _json("config.json", problem_type="multi_label_classification"), "one label a photo"),
    ("vit", _json("config.json", hidden_size=16), "not fit|cannot load"),
    ("vit", _json(PREPROCESSOR, do_sharpen=True), "'do_sharpen', of which it is not known"),
    ("vit", _json(PREPROCESSOR, resample=1), "interpolation is 'lanczos'"),
    ("vit", _json(PREPROCESSOR, resample=77), "77"),
    ("vit", _json(PREPROCESSOR, do_rescale=False), "do_rescale is False"),
    ("vit", _json(PREPROCESSOR, image_std=[0, 1, 1]), "std"),
    ("vit", _json(PREPROCESSOR, size={"longest_edge": 64}), "size is"),
    ("vit", _weights(lambda held: held.pop("classifier.weight")), "missing keys: classifier.weight"),
    ("vit", _weights(lambda held: held.update(more=torch.zeros(1))), "unexpected keys: more"),
    ("vit", _pickled, "is a pickle"),
    ("vit", _truncated, "transformers cannot load"),
    ("vit", _stray_shards, "does not name files of this folder"),
    ("vit", _not_json, "cannot be read as JSON"),
    ("vit", lambda folder: (folder / PREPROCESSOR).unlink(), "There is no file 'preprocessor_config.json'"),
    ("timm", _json("config.json", architecture="hf-hub:somebody/model"), "which this timm does not have"),
    ("timm", _json("config.json", model_args={"checkpoint_path": "/tmp/a"}), "'checkpoint_path' among"),
    ("timm", _json("config.json", pretrained_cfg=None), "not of an image classifier"),
    ("vit", _json("config.json", architectures=7), "not of an image classifier"),
    ("timm", _json("config.json", mystery=1), "'mystery', of which it is not known"),
    ("timm", _json("config.json", label_names=["a"]), "one for each of the 3 classes"),
    ("timm", _weights(lambda held: held.pop("fc.bias")), "do not fit the configuration: fc.bias"),
    ("timm", _truncated, "timm cannot load"),
]


@pytest.mark.parametrize(("name", "spoil", "said"), HARM)
def test_what_is_not_understood_whole_is_refused(
    name: str, spoil: Callable[[Path], Any], said: str, copied: Callable[[str], Path]
) -> None:
    folder = copied(name)
    spoil(folder)
    with pytest.raises(InputError, match=said):
        pretrained.read(folder)


def test_photos_prepared_otherwise_are_refused_with_figures(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.pretrained import processors

    convnext = processors._convnext
    monkeypatch.setattr(processors, "_convnext", lambda said: (convnext(said)[0] + 1, convnext(said)[1]))
    with pytest.raises(InputError, match=r"pixels of one of .* differ by .*, of which 0.0001 is allowed"):
        pretrained.read(folders["resnet"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "/no/such/folder"], "There is no folder '/no/such/folder'"),
        (["--from", ".", "--weights", "a.pt", "--resize", "3"], "leave out --weights, --resize"),
        (["--weights", "a.pt"], "Give --architecture, or --from FOLDER"),
    ],
)
def test_mistakes_are_told_and_nothing_is_registered(
    options: list[str], said: str, fixture: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", "other", *options]) == 2
    assert said in capsys.readouterr().err
