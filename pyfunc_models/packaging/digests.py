"""What is different in two models, and their digest: of all that decides a prediction, and of nothing else.

The registry computes both again from the files that it is given (`registry.trust.digests`), by the same rule.
"""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

from ..engines import openvino_engine, torch_engine
from ..transforms.preprocess import Preprocess
from ..worker import manifest
from ..worker.image_model import LABELS
from ..worker.own_code import CALLABLES
from ..worker.settings import SETTINGS
from .measuring import GoldenPhotos
from .offering import Offering

# OpenVINO numbers its layers as it goes and calls them by that number, which nothing refers to.
_LAYER_NAME = re.compile(rb'(<net|<layer id="[0-9]+") name="[^"]*"')


def of_parts(model: Path, code: Path, preprocess: Preprocess, golden: GoldenPhotos | None) -> dict[str, str]:
    """Part -> SHA-256 of its content; of the photos that a choice was measured on too. `code`: the wrapper's copy."""
    graph = model / openvino_engine.GRAPH
    digests = {
        "weights": manifest.sha256(graph.with_suffix(".bin")),
        "graph": manifest.sha256(model / torch_engine.GRAPH),
        "ir": _graph(graph),
        "preprocess": preprocess.digest,
        "code": code.name.rpartition("_")[2],
        "wrapper": _wrapper(code),
    }
    quantized = model / openvino_engine.INT8_GRAPH
    if quantized.exists():
        digests |= {"int8": manifest.sha256(quantized.with_suffix(".bin")), "int8_ir": _graph(quantized)}
    return digests | (golden.digests() if golden else {})


def of_model(digests: dict[str, str], kind: str, offering: Offering, model: Path) -> str:
    """SHA-256 of the parts, the kind, its settings and what jobs may choose; no time, no path, no library's version."""
    parts = {**digests, "kind": kind, **asdict(offering)}
    # The photos that a precision was measured on decide whether it is there, but no prediction.
    parts.pop("golden", None)
    for name in (LABELS, CALLABLES, SETTINGS):
        if (model / name).exists():
            parts[name] = manifest.sha256(model / name)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _wrapper(code: Path) -> str:
    """All of the digest that the folder is called by the beginning of."""
    total = hashlib.sha256()
    for file in sorted(path.relative_to(code) for path in code.rglob("*.py")):
        total.update(f"{file.as_posix()}\0{manifest.sha256(code / file)}\n".encode())
    return total.hexdigest()


def _graph(file: Path) -> str:
    """Of OpenVINO's graph without its layers' names: the same each time that the same module is converted."""
    return hashlib.sha256(_LAYER_NAME.sub(rb"\1", file.read_bytes())).hexdigest()
