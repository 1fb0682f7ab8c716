"""What all contenders of a network are given, made before the clock starts: photos, weights, registered models."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from PIL import Image

from pyfunc_models import Preprocess
from pyfunc_models.packaging import PackageOptions, package
from registry import Registry

from . import networks
from .catalogue import Contender
from .contenders import pyfunc
from .networks import Network
from .photos import PhotoSet
from .workload import MODEL, Workload

# Photos that set the random networks' statistics.
CALIBRATION_PHOTOS = 64
# Photos that stagewright calibrates int8 on, and measures each precision with.
GOLDEN_PHOTOS = 120


@dataclass(slots=True)
class Bench:
    """A folder for one network and what everyone needs to run it; photo folders are made as they are asked for.

    `cores` that each contender may use.
    """

    network: Network
    photos: PhotoSet
    folder: Path
    cores: int
    _folders: dict[int, Path] = field(default_factory=dict)

    def workload(self, contender: Contender, rows: int, output: Path) -> Workload:
        """What `contender` is to do with `rows` photos."""
        if rows not in self._folders:
            self._folders[rows] = self.photos.take(rows, self.folder / "photos" / str(rows))
        return self._workload(contender, self._folders[rows], output)

    def table_workload(self, contender: Contender, table: Path, output: Path) -> Workload:
        """What `contender` is to do with a folder of Parquet."""
        return replace(self._workload(contender, table, output), format="parquet")

    def _workload(self, contender: Contender, photos: Path, output: Path) -> Workload:
        return Workload(
            network=self.network.name,
            photos=str(photos),
            weights=str(self.folder / "weights.pt"),
            pyfunc=str(self.folder / "pyfunc"),
            registry=f"sqlite:///{self.folder / 'mlflow.db'}",
            output=str(output),
            cores=self.cores,
            precision=contender.precision,
            conf={key: value.format(cores=self.cores) for key, value in contender.conf.items()},
        )


def prepare(bench: Bench, precisions: Iterable[str]) -> None:
    """Build the network, register it with these choices, promote it, and save the plain PythonModel."""
    bench.folder.mkdir(parents=True)
    module = networks.build(bench.network, _tensors(bench.network, bench.photos))
    weights = bench.folder / "weights.pt"
    torch.save(module.state_dict(), weights)
    pyfunc.save(bench.network.name, weights, bench.folder / "pyfunc")
    _register(bench, module, tuple(precisions))


def _register(bench: Bench, module: torch.nn.Module, precisions: tuple[str, ...]) -> None:
    options = PackageOptions(
        architecture=bench.network.factory,
        precisions=precisions,
        golden=bench.photos.take(min(GOLDEN_PHOTOS, len(bench.photos.files)), bench.folder / "golden"),
        min_agreement=0.0,  # random weights decide narrowly; what the labels have in common is in the report
    )
    preprocess = Preprocess.from_torchvision(bench.network.chain())
    packaged = package(module, preprocess, into=bench.folder / "packaged", options=options)
    registry = Registry(f"sqlite:///{bench.folder / 'mlflow.db'}")
    version = registry.register(packaged, MODEL, {"made-by": "benchmarks"}).version
    registry.promote(MODEL, version.number, "Production", because="to be measured")


def _tensors(network: Network, photos: PhotoSet) -> torch.Tensor:
    chain = network.chain()
    contents = [file.read_bytes() for file in photos.files[:CALIBRATION_PHOTOS]]
    return torch.stack([chain(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents])
