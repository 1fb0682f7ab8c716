"""The table of architectures: one that is none, and what is tried; `smoke.py` tries a tiny one."""

import time
from collections.abc import Callable

import pytest
import torch

from benchmarks.architectures import trial
from benchmarks.architectures.names import all_names
from benchmarks.architectures.record import as_table
from benchmarks.architectures.trial import Tried, build, try_one
from pyfunc_models.packaging import ExportError
from pyfunc_models.packaging.export import OutputsDiffer


def test_what_cannot_be_packaged_says_why() -> None:
    none = try_one("timm:no_such_model", seconds=0.1)
    assert "Unknown model (no_such_model)" in none.reason
    text = as_table({"none": none, "some": Tried("some", "cpu")}, 2)
    assert "1 of 2 that were tried can be packaged" in " ".join(text.split())
    assert f"| `timm:no_such_model` | {none.reason} |" in text.partition("## What cannot be packaged")[2]


@pytest.mark.parametrize("name", ["torchvision:mobilenet_v3_small", "timm:gmlp_s16_224"])
def test_the_logits_of_an_untrained_network_depend_on_the_photo(name: str) -> None:
    module, preprocess = build(name)
    photos = torch.stack([torch.zeros(3, *preprocess.output_size), torch.ones(3, *preprocess.output_size)])
    with torch.no_grad():
        dark, light = module(photos)
    assert (dark - light).abs().max() > 0.01 * dark.abs().max() > 0


def test_all_of_torchvision_and_one_of_each_family_of_timm_are_named_without_building_any() -> None:
    names = list(all_names())
    assert len(names) == len(set(names))
    assert {"torchvision:resnet18", "torchvision:vit_h_14", "torchvision:googlenet"} <= set(names)
    families = [name for name in names if name.startswith("timm:")]
    assert len(families) > 80
    assert not [name for name in families if "test_" in name]


@pytest.mark.parametrize(
    ("error", "told"),
    [(OutputsDiffer("another logit"), True), (ExportError("no such operation"), False)],
    ids=["outputs differ", "an operation is missing"],
)
def test_rounding_is_told_only_where_outputs_differ(
    monkeypatch: pytest.MonkeyPatch, error: ExportError, told: bool
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(trial, "package", refused)
    reason = try_one("timm:test_resnet", seconds=0.1).reason
    assert reason.startswith(str(error))
    assert ("torch's own float32 is" in reason) is told


class Resting:
    """An engine that takes 50 ms for whatever it is asked."""

    def submit(self, images: object) -> Callable[[], None]:
        return lambda: time.sleep(0.05)


@pytest.mark.parametrize(("seconds", "photos"), [(100.0, 8), (0.01, 1)])
def test_what_takes_much_longer_than_a_measurement_is_measured_with_one_photo(
    seconds: float, photos: int
) -> None:
    assert len(trial._batch(Resting(), (4, 4), seconds)) == photos  # type: ignore[arg-type]


def test_speeds_below_one_keep_their_digits() -> None:
    text = as_table({"x": Tried("x", "cpu", f32=0.0964, bf16=0.193)}, 1)
    assert "| 0.0964 | 0.193 | 2.00 |" in text


def test_a_reason_stays_in_its_cell() -> None:
    text = as_table({"x": Tried("x", "cpu", reason="a | b")}, 1)
    assert "| `x` | a / b |" in text
