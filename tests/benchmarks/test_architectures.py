"""The table of architectures: one that is none, and what is tried; `smoke.py` tries a tiny one."""

import pytest
import torch

from benchmarks.architectures.names import all_names
from benchmarks.architectures.record import as_table
from benchmarks.architectures.trial import Tried, build, try_one


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


def test_a_reason_stays_in_its_cell() -> None:
    text = as_table({"x": Tried("x", "cpu", reason="a | b")}, 1)
    assert "| `x` | a / b |" in text
