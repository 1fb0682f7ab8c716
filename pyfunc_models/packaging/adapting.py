"""What of a module becomes the graph, and what it says of itself, where its kind needs more than its outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from ..worker.settings import Value


@dataclass(frozen=True, slots=True)
class Adapted:
    """`module` gives the graph's outputs. `classes`: how many labels it has, where its outputs do not say that.

    `settings`: what its kind is told by the module, where nobody says otherwise.
    """

    module: torch.nn.Module
    classes: int | None = None
    settings: Mapping[str, Value] = field(default_factory=dict, hash=False)
