"""Build the registry: package, register, promote, and keep what each version must answer."""

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

from pyfunc_models.packaging import PackageOptions, package
from registry import Registry

from .photos import PLAIN, draw_all
from .tiny import LABELS, PREPROCESS, ColourNet

NAME = "colours"
# Version number -> sharpness of its model.
VERSIONS = {1: 2.0, 2: 4.0}


@dataclass(frozen=True, slots=True)
class Fixture:
    """Where things are: version 1 of `NAME` is in Production, version 2 in Staging.

    `golden`: version -> file name -> {label: score}, from torch itself, not from the wrapper.
    """

    uri: str
    photos: Path
    golden: dict[int, dict[str, dict[str, float]]]


def build(folder: Path, database: Path | None = None) -> Fixture:
    """Make it all in `folder`, which must be empty or not exist. Raises FileExistsError.

    `database`: an empty registry's, of which a copy is used instead of migrating another.
    """
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{str(folder)!r} is not empty; name a folder that is, or does not exist.")
    photos = draw_all(folder / "photos")
    if database is not None:
        shutil.copyfile(database, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    registry = Registry(uri)
    for number, sharpness in VERSIONS.items():
        packaged = package(
            ColourNet(sharpness),
            PREPROCESS,
            LABELS,
            into=folder / "packaged" / str(number),
            options=PackageOptions(architecture="mlruns_fixture.tiny:ColourNet"),
        )
        registry.register(packaged, NAME, {"made-by": "mlruns_fixture"})
    registry.promote(NAME, 1, "Production", because="the first one")
    registry.promote(NAME, 2, "Staging", because="a sharper one to try")
    golden = {number: _golden(sharpness) for number, sharpness in VERSIONS.items()}
    (folder / "golden.json").write_text(json.dumps(golden, indent=2, sort_keys=True))
    return Fixture(uri, photos, golden)


def _golden(sharpness: float) -> dict[str, dict[str, float]]:
    """What plain torch and torchvision answer for the plain photos."""
    chain = transforms.Compose(
        [
            transforms.Resize(40),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ]
    )
    model = ColourNet(sharpness).eval()
    golden = {}
    for name, content in PLAIN.items():
        image = chain(Image.open(io.BytesIO(content)).convert("RGB"))
        with torch.no_grad():
            scores = model(image[None]).softmax(dim=1)[0]
        golden[name] = dict(zip(LABELS, scores.tolist(), strict=True))
    return golden
