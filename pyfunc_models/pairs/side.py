"""One of a pair's two versions, loaded and asked through its own code; and whether two decode alike.

What is asked of a version's wrapper, whichever stagewright packaged that: `load_context`, `read` (or `decode` and
`prepare`, where there are both), `columns`, and the modules that give its device and its engine.
"""

import hashlib
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from ..engines import Engine, Images, Outputs
from ..engines.device import Device
from ..transforms.usual_photo import Photo
from ..worker.image_model import LABELS, PREPROCESS
from ..worker.manifest import MANIFEST, sha256
from ..worker.spec import SPEC

# What decides the pixels of a decoded photo, besides Pillow, of which a worker has one.
DECODER = "photos/**/*.py"
EARLIER_DECODER = ("decode.py", "containers.py", "pillow_warnings.py")
# The file of a wrapper that takes a photo which is decoded already: as it is called now, and until 0.1.0.
PREPARES = ("photo_reader.py", "image_model.py")
# Where a wrapper keeps what is asked of it, as it is laid out now and as it was until 0.1.0.
DEVICE, STORE = ("engines.device", "device"), ("worker.model_store", "model_store")
WRAPPER = "code/pyfunc_models_*"
ARTIFACTS = Path("artifacts/model")
NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one version has no answer for a photo, as its own code says it."""

    status: str
    error: str


@dataclass(frozen=True, slots=True)
class Side:
    """One version: its PythonModel, the package that this came from, and the SHA-256 of its manifest.

    The version's own store keeps its graph by that: what a version says of itself may be said of another one.
    """

    model: Any
    package: Path
    labels: tuple[str, ...]
    verified: str

    @classmethod
    def load(cls, root: Path) -> "Side":
        """Verify and load the version in `root` by its own code. Raises that code's ManifestError."""
        package = _wrapper(root)
        kind = json.loads((root / SPEC).read_text())["kind"]
        sys.path.insert(0, str(package.parent))
        try:
            model = importlib.import_module(f"{package.name}.kinds.{kind}").MODEL()
            model.load_context(SimpleNamespace(artifacts={"model": str(root / ARTIFACTS)}))
        finally:
            sys.path.remove(str(package.parent))
        labels = json.loads((root / ARTIFACTS / LABELS).read_text(encoding="utf-8"))
        return cls(model, package, tuple(labels), sha256(root / MANIFEST))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the graph's input."""
        height, width = self.model.preprocess.output_size
        return int(height), int(width)

    @property
    def device(self) -> Device:
        """Where this task infers."""
        device: Device = self._module(*DEVICE).current()
        return device

    @property
    def has_own_transform(self) -> bool:
        """Whether it prepares photos by a callable of its scientist's."""
        return self.model.own_code.transform is not None

    def engine(self, precision: str) -> Engine:
        """The graph, loaded once for each process by the version's own store, which has answered its golden photos.

        Raises ValueError on a precision that there is not, and what the version's self-test does.
        """
        wanted = self._module("engines").Precision(precision)
        store, model = self._module(*STORE), self.model
        engine: Engine = store.engine(self.verified, model._graphs, self.device, wanted)
        if getattr(model, "golden", None) is not None:
            self._module("worker.proving").prove(model, engine, self.device, precision)
        return engine

    def decode(self, content: bytes | None, **limit: int) -> Photo | Fault:
        """Bytes of a photo -> RGB photo; `limit` is `max_pixels`, where the version has that."""
        found = self.model.decode(content, **limit)
        return found if isinstance(found, Image.Image | np.ndarray) else _fault(found)

    def prepare(self, photo: Photo) -> Images | Fault:
        """RGB photo, left as it is -> uint8 [H, W, 3] as the graph takes it."""
        # Somebody's own transform may draw on what it is given.
        given = photo.copy() if self.has_own_transform else photo
        return self._checked(self.model.prepare(given))

    def read(self, content: bytes | None, **limit: int) -> Images | Fault:
        """Bytes of a photo -> uint8 [H, W, 3] as the graph takes it; `limit` as `decode` has it."""
        return self._checked(self.model.read(content, **limit))

    def answers(self, outputs: Outputs) -> dict[str, Any]:
        """Columns `label`, `class_index` and `score` for the graph's float32 [N, D]."""
        if self.model.own_code.postprocess is not None:
            outputs = np.asarray(self.model.own_code.postprocess(outputs), dtype=np.float32)
        found = self.model.columns(outputs, {"top_k": 1})
        labels = list(found["label"])
        classes = [self._class(label, row) for label, row in zip(labels, outputs, strict=True)]
        return {"label": labels, "class_index": classes, "score": found["score"]}

    def _class(self, label: str, outputs: Outputs) -> int:
        """Of classes with one label it is the one with the largest output: the version named the best of all."""
        named = [index for index, name in enumerate(self.labels) if name == label]
        return max(named, key=lambda index: float(outputs[index]), default=NO_CLASS)

    def _checked(self, found: Any) -> Images | Fault:
        if not isinstance(found, np.ndarray):
            return _fault(found)
        if found.shape != (*self.size, 3) or found.dtype != np.uint8:
            said = f"{found.dtype} {list(found.shape)}"
            return Fault("unsupported", f"the transform gave {said}, not uint8 {[*self.size, 3]}")
        return found

    def _module(self, *names: str) -> Any:
        """The first of these that the wrapper has."""
        files = {name: self.package.joinpath(*name.split(".")).with_suffix(".py") for name in names}
        name = next((name for name, file in files.items() if file.is_file()), names[0])
        return importlib.import_module(f"{self.package.name}.{name}")


def share_decoder(roots: Sequence[Path]) -> bool:
    """Whether the versions in these directories make the same pixels of a photo's bytes, so that one can do it."""
    return len({_decoder(root) for root in roots}) == 1


def _decoder(root: Path) -> tuple[str, str]:
    package = _wrapper(root)
    files = sorted(package.glob(DECODER)) or [package / name for name in EARLIER_DECODER]
    wrappers = (file for name in PREPARES for file in package.rglob(name))
    if not any("def prepare(" in file.read_text() for file in wrappers):
        return str(root), ""  # packaged before a version could be given a photo that another decoded
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes() + b"\0")
    preprocess = json.loads((root / ARTIFACTS / PREPROCESS).read_text())
    return digest.hexdigest(), str(preprocess["orientation"])


def _wrapper(root: Path) -> Path:
    (package,) = root.glob(WRAPPER)
    return package


def _fault(found: Any) -> Fault:
    """A RowFault of the version's own, which is another class than ours."""
    return Fault(str(found.status.value), str(found.error))
