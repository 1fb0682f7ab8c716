"""`stagewright.json`: what a packaged model is, for the wrapper on the executors and for the registry."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .choices import DecodeChoice

SPEC = "stagewright.json"
FORMAT = 1
EXACT = "exact"
"""The one way in which photos are resized: to torchvision's pixels."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What was packaged and from what.

    `model_digest` identifies everything that decides a prediction: graph, weights, labels, preprocessing and
    the wrapper's code. `pickled` names the scientist's own callables, which travel by cloudpickle.
    Jobs may choose among `precisions` and `decodes`, of which the first is the reference; `measured` holds the figures
    of each other one. `transforms` is no choice any more.
    """

    model_digest: str
    kind: str
    architecture: str
    precisions: tuple[str, ...]
    labels_count: int | None
    digests: dict[str, str]
    versions: dict[str, str]
    pickled: tuple[str, ...] = ()
    transforms: tuple[str, ...] = (EXACT,)
    decodes: tuple[str, ...] = (DecodeChoice.FULL.value,)
    measured: dict[str, dict[str, float]] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write `stagewright.json` into the model directory."""
        (root / SPEC).write_text(
            json.dumps({"format": FORMAT, **asdict(self)}, indent=2, sort_keys=True) + "\n"
        )

    @classmethod
    def read(cls, root: Path) -> "ModelSpec":
        """Read it back. Raises ValueError on a format that this code does not know."""
        document = json.loads((root / SPEC).read_text())
        if document.pop("format", None) != FORMAT:
            raise ValueError(f"{SPEC} in {str(root)!r} is not of format {FORMAT}; use a newer stagewright.")
        lists = ("precisions", "pickled", "transforms", "decodes")
        return cls(**document | {name: tuple(document[name]) for name in lists if name in document})
