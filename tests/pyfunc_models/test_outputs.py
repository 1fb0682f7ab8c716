"""Modules that answer with more than one tensor, or have weights in other types: found, asked for, cast or refused."""

from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlruns_fixture import ColourNet
from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions, PackagingError, casting, outputs
from pyfunc_models.packaging.export import ExportError, export

LOGITS, OTHER = torch.ones(2, 3), torch.zeros(2, 5)
MAP = torch.zeros(2, 3, 4, 4)
Both = namedtuple("Both", ["scores", "features"])
PREPROCESS = Preprocess(resize=(32, 32))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (LOGITS, None),
        ({"logits": LOGITS, "embedding": OTHER}, None),
        (OrderedDict(loss=None, scores=LOGITS, maps=MAP), None),
        ({"scores": LOGITS, "embedding": OTHER}, "scores"),
        ((LOGITS, MAP), None),
        ([MAP, LOGITS], None),
        ((OTHER, LOGITS), "1"),
        (Both(LOGITS, OTHER), "scores"),
        ({"ids": torch.zeros(2, 3, dtype=torch.int64), "scores": LOGITS}, None),
    ],
)
def test_the_logits_are_found_or_asked_for(answer: Any, name: str | None) -> None:
    assert outputs.chosen(answer, name) is LOGITS


@pytest.mark.parametrize(
    ("answer", "name", "said"),
    [
        (MAP, None, r"it gives float32 \[2, 3, 4, 4\]"),
        (LOGITS, "logits", "which has no 'logits'; leave out --output"),
        (None, None, "answers with NoneType"),
        ((LOGITS, OTHER), None, r"0 \(float32 \[2, 3\]\), 1 \(float32 \[2, 5\]\); not exactly one"),
        ({"a": LOGITS, "b": OTHER}, "c", "'c' of it is no tensor"),
        ({"logits": MAP, "b": OTHER}, None, r"dict of logits \(float32 \[2, 3, 4, 4\]\)"),
        (Both(LOGITS, OTHER), "0", "Both of scores"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_there_is(answer: Any, name: str | None, said: str) -> None:
    with pytest.raises(outputs.NoOutput, match=said):
        outputs.chosen(answer, name)


class Several(torch.nn.Module):
    """The fixture's network, and what else people's networks give."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ColourNet(3.0)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = self.net(images)
        return {"maps": images, "scores": scores, "doubled": scores * 2}


def test_the_graph_has_the_output_that_was_named(tmp_path: Path) -> None:
    import openvino as ov

    photos = np.full((2, 32, 32, 3), 200, np.uint8)
    answers = {}
    for name in ("scores", "doubled"):
        (tmp_path / name).mkdir()
        export(Several(), PREPROCESS, tmp_path / name, name)
        answers[name] = ov.Core().compile_model(tmp_path / name / "model.xml", "CPU")(photos)[0]
    np.testing.assert_allclose(answers["doubled"], answers["scores"] * 2, rtol=1e-5)
    with pytest.raises(ExportError, match=r"doubled .*Name one with --output NAME"):
        export(Several(), PREPROCESS, tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_cast_with_a_word_and_the_module_stays_as_it_was(dtype: torch.dtype) -> None:
    module = ColourNet(3.0).to(dtype)
    cast, word = casting.as_f32(module)
    assert word is not None
    assert str(dtype).removeprefix("torch.") in word
    assert {each.dtype for each in cast.parameters()} == {torch.float32}
    assert {each.dtype for each in module.parameters()} == {dtype}
    assert casting.as_f32(ColourNet(3.0))[1] is None


def test_a_scripted_module_and_one_that_cannot_be_copied_are_refused() -> None:
    class Stubborn(ColourNet):
        def __deepcopy__(self, memo: object) -> "Stubborn":
            raise TypeError("no")

    with pytest.raises(PackagingError, match="TorchScript"):
        casting.as_f32(torch.jit.trace(ColourNet(3.0), torch.zeros(1, 3, 32, 32)))
    with pytest.raises(PackagingError, match="float16 and cannot be copied"):
        casting.as_f32(Stubborn(3.0).half())


def test_an_option_names_the_output() -> None:
    assert PackageOptions(output="scores").output == "scores"
