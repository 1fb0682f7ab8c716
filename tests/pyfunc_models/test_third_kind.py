"""A new kind of prediction is one new file: nothing else of the package has to know it."""

import json
import shutil
import sys
from pathlib import Path

import pyfunc_models
from mlruns_fixture import PLAIN
from tests.clusters import run_command

BRIGHTNESS = '''
from typing import Any, ClassVar

from mlflow.types import ColSpec, DataType

from ..engines import Outputs
from ..image_model import Column, ImageModel


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
'''

USE_IT = """
import json, sys
import mlflow.pyfunc, pandas, torch
from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions, kind_names, package

class Mean(torch.nn.Module):
    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None]

model = package(Mean(), Preprocess(resize=(32, 32)), into="model", options=PackageOptions(kind="brightness"))
photos = [open(path, "rb").read() for path in sys.argv[1:]] + [b""]
found = mlflow.pyfunc.load_model(str(model)).predict(pandas.DataFrame({"content": photos}))
print(json.dumps([kind_names(), found["brightness"].tolist()[:-1], found["status"].tolist()[-1]]))
"""


def test_a_kind_in_a_file_of_its_own_is_packaged_loaded_and_answers(tmp_path: Path) -> None:
    copy = shutil.copytree(Path(pyfunc_models.__file__).parent, tmp_path / "pyfunc_models")
    (copy / "kinds" / "brightness.py").write_text(BRIGHTNESS)
    dark, bright = tmp_path / "dark.jpg", tmp_path / "bright.jpg"
    dark.write_bytes(PLAIN["blue-64x48.jpg"])
    bright.write_bytes(PLAIN["grey-64x48.jpg"])
    done = run_command(
        [sys.executable, "-c", USE_IT, str(dark), str(bright)],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
    ).check()
    kinds, (darker, brighter), status = json.loads(done.stdout.splitlines()[-1])
    assert kinds == ["brightness", "classifier", "embedder"]
    assert 0 < darker < brighter < 1
    assert status == "empty"
