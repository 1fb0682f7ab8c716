"""The little world in which pages run: models, photos, tables, archives and keys, by the names that pages use."""

import csv
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from mlflow.models import infer_signature
from PIL import Image
from sklearn.linear_model import LogisticRegression

from mlruns_fixture.photos import PLAIN
from mlruns_fixture.tiny import PREPROCESS, ColourNet
from pyfunc_models.packaging import PackageOptions, package
from pyfunc_models.requirements import requirements_by_name
from registry import Registry
from tests.pyfunc_models import test_detector

LABELS = ("poppy", "fern", "cornflower", "thistle")
OF_COLOURS = {"red": 0, "green": 1, "blue": 2, "grey": 3}
NET = "from mlruns_fixture.tiny import ColourNet as FlowerNet\n"
DETECTOR = "from tests.pyfunc_models.test_detector import ssd\n"


@dataclass(frozen=True)
class World:
    """`folder` holds `mlflow.db` and what pages name; `second`: when version 2 of flowers was in Production."""

    folder: Path
    second: datetime

    def copy(self, into: Path) -> Path:
        """All of it once more, to be changed; files that versions keep stay where they are."""
        return Path(shutil.copytree(self.folder, into, ignore=shutil.ignore_patterns("artifacts")))


def build(folder: Path, registry_template: Path) -> World:
    """In an empty folder that is the current one, with MLflow's clients at its `mlflow.db`."""
    _register_flowers(folder)
    registry = Registry()
    registry.promote("flowers", 1, "Production", because="first release")
    registry.promote("flowers", 2, "Production", because="1.5 points better")
    second = datetime.now(UTC)
    _register_churn()
    _draw_photos(folder)
    _write_tables(folder)
    _write_keys(folder)
    shutil.copyfile(registry_template, folder / "prod.db")
    return World(folder, second)


def _register_flowers(folder: Path) -> None:
    """Version 3 takes thistles for something else."""
    for number, sharpness in enumerate((2.0, 4.0, 3.0), 1):
        net = ColourNet(sharpness)
        if number == 3:
            net.colours.bias.data[3] = -9.0
        made = package(
            net, PREPROCESS, LABELS, into=folder / "artifacts" / f"flowers-{number}", options=PackageOptions()
        )
        Registry().register(made, "flowers", {"owner": "search", "licence": "Apache-2.0"})
    torch.save(ColourNet(5.0).state_dict(), folder / "weights.pt")
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    (folder / "flowernet.py").write_text(NET)


def _register_churn() -> None:
    """Three versions of scikit-learn's flavour on the columns of `customers`."""
    table = customers()
    inputs = table[["visits", "spent"]]
    with mlflow.start_run():
        for strength in (0.01, 1.0, 100.0):
            model = LogisticRegression(C=strength).fit(inputs, table["churned"])
            with requirements_by_name():
                mlflow.sklearn.log_model(
                    model,
                    name="model",
                    signature=infer_signature(inputs, model.predict(inputs)),
                    registered_model_name="churn",
                    pip_requirements=["scikit-learn"],
                )


def customers() -> pd.DataFrame:
    """Two clouds of points, and which of them each is from."""
    churned = np.arange(40) % 2
    points = np.random.default_rng(0).normal(size=(40, 2)) + churned[:, None] * 2
    return pd.DataFrame(points, columns=["visits", "spent"]).assign(id=np.arange(40), churned=churned)


def _draw_photos(folder: Path) -> None:
    """Plain photos with their labels, and 80 larger ones of noise for those who measure."""
    photos, golden = folder / "photos", folder / "photos-like-those-of-the-job"
    photos.mkdir()
    golden.mkdir()
    for name, content in PLAIN.items():
        (photos / name).write_bytes(content)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "class_index"), *((name, _class(name)) for name in PLAIN)])
    dice = np.random.default_rng(1)
    for number in range(80):
        patches = dice.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        patches[..., number % 3] |= 128
        Image.fromarray(patches).resize((320, 240), Image.Resampling.NEAREST).save(golden / f"{number}.jpg")


def _class(name: str) -> int:
    return OF_COLOURS[name.partition("-")[0]]


def _write_tables(folder: Path) -> None:
    """Tables of customers and of photos, and archives of photos."""
    table = customers()
    for name, columns in {"customers": ["id", "visits", "spent"], "labelled": list(table.columns)}.items():
        (folder / name).mkdir()
        table[columns].to_parquet(folder / name / "part-0.parquet")
    names = list(PLAIN)
    addresses = {"url": [f"s3://bucket/photos/{name}" for name in names]}
    pq.write_table(pa.table(addresses), folder / "urls.parquet")
    images = [{"bytes": PLAIN[name], "path": None} for name in names[:6]]
    images += [{"bytes": None, "path": name} for name in names[6:]]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"id": range(len(names)), "image": pa.array(images, kind)})
    pq.write_table(table, folder / "train.parquet")
    _pack(folder)


def _pack(folder: Path) -> None:
    """Two archives of WebDataset's layout, and the classes of their photos."""
    (folder / "shards").mkdir()
    rows = [("file", "class_index")]
    for number, kept in enumerate((list(PLAIN)[:6], list(PLAIN)[6:])):
        shard = f"val-{number:03}.tar"
        with tarfile.open(folder / "shards" / shard, "w") as archive:
            for i, name in enumerate(kept):
                archive.add(folder / "photos" / name, f"a/{i}.jpg")
                (folder / "cls").write_text(str(_class(name)))
                archive.add(folder / "cls", f"a/{i}.cls")
                rows.append((f"{shard}/a/{i}.jpg", str(_class(name))))
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def save_detector(folder: Path) -> None:
    """A small SSD with the code that builds it."""
    (folder / "shop_detector.py").write_text(DETECTOR)
    torch.save(test_detector.ssd().state_dict(), folder / "ssd.pt")
    (folder / "things.txt").write_text("\n".join(test_detector.LABELS) + "\n")


def save_pets(folder: Path) -> None:
    """A model with random weights, as timm saves it."""
    import timm  # here, because one page alone needs it

    net = timm.create_model("test_resnet.r160_in1k", num_classes=3)
    named = {"label_names": ["cat", "dog", "bird"]}
    timm.models.save_for_hf(net, str(folder), model_config=named, safe_serialization=True)


def _write_keys(folder: Path) -> None:
    """Of those who are named in pages; `policy.md` makes release's itself."""
    for who in ("ada", "grace", "qa", "release"):
        make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{who}.pem"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
        show = ["openssl", "ec", "-in", f"{who}.pem", "-pubout", "-out", f"{who}.pub"]
        subprocess.run(show, cwd=folder, check=True, capture_output=True)
