"""The driver's side: nn.Module + Preprocess + labels -> a model directory that needs neither's code."""

from ..kinds import kind_names
from ..transforms.preprocess import Preprocess
from ..worker.own_code import OwnCode
from .asked import PackageOptions
from .errors import PackagingError, PackagingWarning, PrecisionRefused
from .export import ExportError
from .packer import package

__all__ = [
    "ExportError",
    "OwnCode",
    "PackageOptions",
    "PackagingError",
    "PackagingWarning",
    "PrecisionRefused",
    "Preprocess",
    "kind_names",
    "package",
]
