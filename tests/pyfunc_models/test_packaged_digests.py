"""What packaging writes is what the registry computes and takes: two implementations of one rule, held together."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from mlruns_fixture import LABELS, PREPROCESS, ColourNet
from mlruns_fixture.photos import draw_golden
from pyfunc_models.packaging import OwnCode, PackageOptions, package
from pyfunc_models.worker import manifest
from pyfunc_models.worker.spec import ModelSpec
from registry.errors import InvalidPackage
from registry.trust import layout
from registry.trust.packaged import PackagedModel

from . import own_code


def held_together(packaged: Path) -> PackagedModel:
    read, said = PackagedModel.read(packaged), ModelSpec.read(packaged)
    assert (read.model_digest, read.pickled, read.kind) == (said.model_digest, said.pickled, said.kind)
    assert {"ir", "wrapper"} <= read.digests.keys()
    return read


def test_a_classifier(colours: Path, tmp_path: Path) -> None:
    first = held_together(fresh(colours, tmp_path))
    again = held_together(package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / "again"))
    assert (first.model_digest, first.contents) == (again.model_digest, again.contents)
    assert first.manifest_digest != again.manifest_digest


def test_the_same_model_with_other_golden_answers_is_the_same(colours: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(colours, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "artifacts/model/self-test.json"
    file.write_text(file.read_text().replace('"processor": "', '"processor": "Another '))
    manifest.write(copy)
    first, other = PackagedModel.read(fresh(colours, tmp_path)), PackagedModel.read(copy)
    assert (first.model_digest, first.contents) == (other.model_digest, other.contents)
    assert first.manifest_digest != other.manifest_digest


def test_golden_answers_are_held_to_a_size(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_MAX_SELF_TEST", 1000)
    with pytest.raises(InvalidPackage, match=r"self-test\.json' is too large"):
        PackagedModel.read(fresh(colours, tmp_path))


def fresh(colours: Path, tmp_path: Path) -> Path:
    """As it was packaged: other tests may have imported its code."""
    return shutil.copytree(colours, tmp_path / "fresh", ignore=shutil.ignore_patterns("__pycache__"))


def test_an_embedder_with_code_of_ones_own(tmp_path: Path) -> None:
    own = OwnCode(transform=own_code.swap_red_and_blue)
    options = PackageOptions(kind="embedder", own_code=own)
    assert held_together(package(ColourNet(), PREPROCESS, into=tmp_path / "own", options=options)).pickled


def test_int8_comes_out_the_same_twice(tmp_path: Path) -> None:
    golden = draw_golden(tmp_path / "golden", 40)
    options = PackageOptions(precisions=("int8",), golden=golden)
    one, two = (
        held_together(package(ColourNet(), PREPROCESS, LABELS, into=tmp_path / name, options=options))
        for name in ("one", "two")
    )
    assert "int8_ir" in one.digests
    assert (one.model_digest, one.contents) == (two.model_digest, two.contents)


class Branches(torch.nn.Module):
    """What graphs may hold besides a chain of layers: a subgraph, a constant, a region of its own precision."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        means = images.mean((2, 3)) * torch.tensor([1.0, 2.0, 3.0])
        with torch.no_grad():
            halves = means.flatten().reshape(-1, 3) / 2
        return self.layer(halves)


def test_a_graph_with_constants_and_sizes_that_are_computed(tmp_path: Path) -> None:
    held_together(package(Branches(), PREPROCESS, into=tmp_path / "branches"))


def test_the_program_has_no_pickle_in_it_and_still_runs(colours: Path) -> None:
    file = colours / "artifacts" / "model" / "model.pt2"
    with zipfile.ZipFile(file) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert sizes["model/data/sample_inputs/model.pt"] == 0
    images = torch.zeros(3, *PREPROCESS.output_size, 3, dtype=torch.uint8)
    assert torch.export.load(file).module()(images).shape == (3, len(LABELS))
