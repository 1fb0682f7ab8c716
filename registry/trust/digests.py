"""What a model is, computed from its verified files: nothing that a tag or a description says is taken for it.

This is packaging's rule (`pyfunc_models.packaging.digests`), written a second time because neither package
imports the other; a test holds the two together. The files' own digests come from the verified `SHA256SUMS`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from registry.errors import ArtifactMismatch

ARTIFACTS = "artifacts/model"
PROGRAM = f"{ARTIFACTS}/model.pt2"
GRAPH = f"{ARTIFACTS}/model.xml"
INT8_GRAPH = f"{ARTIFACTS}/model-int8.xml"
LABELS = f"{ARTIFACTS}/labels.json"
CALLABLES = f"{ARTIFACTS}/callables.pkl"
SETTINGS = f"{ARTIFACTS}/settings.json"
# Photos with the answers of the machine that packaged the model: the model is the same with others.
SELF_TEST = f"{ARTIFACTS}/self-test.json"
CODE = "code"
NAME_DIGITS = 16
_FILES = {
    "weights": f"{ARTIFACTS}/model.bin",
    "graph": PROGRAM,
    "preprocess": f"{ARTIFACTS}/preprocess.json",
    "int8": f"{ARTIFACTS}/model-int8.bin",
}
_GRAPHS = {"ir": GRAPH, "int8_ir": INT8_GRAPH}
# Photos that a choice was measured on; they do not travel, so what is said of them cannot be computed.
_PHOTOS = frozenset({"golden", "calibration"})
_NO_CHOICE = ["exact"]
# OpenVINO numbers its layers as it goes and calls them by that number, which nothing refers to: layers are
# joined by their ids. The name stands where its serializer writes it, so that no other text can be taken out.
_LAYER_NAME = re.compile(rb'(<net|<layer id="[0-9]+") name="[^"]*"')


def graph_digest(file: Path) -> str:
    """SHA-256 of an OpenVINO graph without the names of its layers: the same each time that it is made."""
    return hashlib.sha256(_LAYER_NAME.sub(rb"\1", file.read_bytes())).hexdigest()


def code_digest(listed: Mapping[str, str]) -> str:
    """SHA-256 of the wrapper, from its files' digests in `listed`; its folder is called by the first 16 digits."""
    prefix = f"{CODE}/{wrapper(listed)}/"
    files = [name.removeprefix(prefix) for name in listed if name.startswith(prefix)]
    total = hashlib.sha256()
    for name in sorted(files, key=lambda name: PurePosixPath(name).parts):
        total.update(f"{name}\0{listed[prefix + name]}\n".encode())
    return total.hexdigest()


def model_digest(directory: Path, listed: Mapping[str, str], said: Mapping[str, Any]) -> str:
    """The digest of a model whose layout was checked; `said` is its description.

    Raises ArtifactMismatch, with what is claimed and what was computed, where any digest in the description
    is another one.
    """
    claimed: Mapping[str, Any] = said["digests"]
    computed = {part: _part(part, claimed, directory, listed) for part in claimed}
    for part in ("weights", "graph", "preprocess", "code"):
        if part not in computed:
            raise ArtifactMismatch(f"The description of the model names no digest of its {part}.")
    _check_int8(computed, listed)
    for part, digest in computed.items():
        if digest != claimed[part]:
            raise _lie(f"digest of its {part}", claimed[part], digest)
    possible = [_digest_of(parts) for parts in _rules(computed, listed, said)]
    if said["model_digest"] not in possible:
        raise _lie(
            "model digest", said["model_digest"], next(iter(possible), "that of no choice of transforms")
        )
    return str(said["model_digest"])


def contents(directory: Path, listed: Mapping[str, str], said: Mapping[str, Any]) -> str:
    """SHA-256 of all that decides a prediction, also of what an older version's model digest left out."""
    files = {
        name: graph_digest(directory / name) if name in _GRAPHS.values() else digest
        for name, digest in listed.items()
        if name.startswith((f"{ARTIFACTS}/", f"{CODE}/")) and name != SELF_TEST
    }
    return _digest_of({**files, "kind": said["kind"], "precisions": said["precisions"]})


def _part(part: str, claimed: Mapping[str, Any], directory: Path, listed: Mapping[str, str]) -> str:
    if part in _PHOTOS:
        return str(claimed[part])
    if part in ("code", "wrapper"):
        return code_digest(listed)[: NAME_DIGITS if part == "code" else None]
    if part in _GRAPHS:
        name = _GRAPHS[part]
        return graph_digest(directory / name) if name in listed else ""
    if part not in _FILES:
        raise ArtifactMismatch(
            f"The description of the model has a digest of {part!r}, which is no part of a model."
        )
    return listed.get(_FILES[part], "")


def wrapper(listed: Iterable[str]) -> str:
    """The name of the folder below `code` that the wrapper's files are in."""
    return next(name.split("/")[1] for name in listed if name.startswith(f"{CODE}/"))


def _check_int8(parts: Mapping[str, str], listed: Mapping[str, str]) -> None:
    """A graph that no digest covers would be one that anybody can put in."""
    if (_FILES["int8"] in listed) != ("int8" in parts):
        raise ArtifactMismatch(
            "The model has files of an int8 graph without their digest, or a digest without them."
        )
    if "ir" in parts and (INT8_GRAPH in listed) != ("int8_ir" in parts):
        raise ArtifactMismatch(f"The model's file {INT8_GRAPH!r} and its digest are not both there.")


def _rules(
    computed: Mapping[str, str], listed: Mapping[str, str], said: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """What the digest was made of, as this and earlier packaging made it: choices were added over time."""
    parts: dict[str, Any] = {part: digest for part, digest in computed.items() if part != "golden"}
    parts |= {"kind": said["kind"], "precisions": said["precisions"]}
    parts |= {
        name.rpartition("/")[2]: listed[name] for name in (LABELS, CALLABLES, SETTINGS) if name in listed
    }
    if "decodes" not in said:
        yield parts
        return
    if said.get("transforms") == _NO_CHOICE:
        yield {**parts, "decodes": said["decodes"]}
    if "ir" not in parts:
        yield {**parts, "decodes": said["decodes"], "transforms": said.get("transforms")}


def _digest_of(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _lie(what: str, claimed: object, computed: str) -> ArtifactMismatch:
    return ArtifactMismatch(
        f"The model claims that the {what} is {claimed}; computed from its files it is {computed}."
    )
