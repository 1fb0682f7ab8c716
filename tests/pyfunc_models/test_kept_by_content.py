"""What a process keeps of a version is kept by the version's verified bytes, not by what it says of itself."""

import json
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest
import torch

from mlruns_fixture import LABELS, PLAIN, PREPROCESS, ColourNet
from pyfunc_models.packaging import package
from pyfunc_models.pairs.packing import package_pair
from pyfunc_models.worker import manifest

RED = pd.DataFrame({"content": [PLAIN["red-64x48.jpg"]]})


class Reversed(ColourNet):
    """Says the last colour for the first."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).flip(1)


@pytest.fixture(scope="module")
def pretender(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights under the digest of an honest version, with a manifest that fits."""
    model = package(Reversed(), PREPROCESS, LABELS, into=tmp_path_factory.mktemp("pretender") / "model")
    digest = json.loads((colours / "stagewright.json").read_text())["model_digest"]
    said = json.loads((model / "stagewright.json").read_text())
    (model / "stagewright.json").write_text(json.dumps(said | {"model_digest": digest}))
    manifest.write(model)
    return model


def test_a_version_that_claims_anothers_digest_answers_for_itself(colours: Path, pretender: Path) -> None:
    honest, planted, again = (
        mlflow.pyfunc.load_model(str(model)).predict(RED)["label"][0]
        for model in (colours, pretender, colours)
    )
    assert (honest, planted, again) == ("red", LABELS[len(LABELS) - 1 - LABELS.index("red")], "red")


def test_in_a_pair_too(colours: Path, pretender: Path, tmp_path: Path) -> None:
    pair = mlflow.pyfunc.load_model(str(package_pair(colours, pretender, tmp_path / "pair")))
    answers = pair.predict(RED)
    assert answers["a_label"][0] == "red"
    assert answers["b_label"][0] != "red"
    a, b = pair.unwrap_python_model().sides
    assert a.model.spec.model_digest == b.model.spec.model_digest
    assert a.verified == manifest.sha256(colours / "SHA256SUMS") != b.verified
