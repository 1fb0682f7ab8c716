"""`model.pt2`: a graph and its weights, and nothing of what else torch would read, unpickle, evaluate or run there.

Read in torch 2.14: weights and constants may say `use_pickle`, constants may be objects, `data/aotinductor` holds
compiled libraries, and the sample inputs are unpickled without restriction where restricted unpickling fails. In
the graph, `expr_str` goes through sympy's `eval`, `guards_code` through `exec`, a node's `target` and its name into
generated code, and a treespec can name any module to import.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.trust.archive import Archive, check_pickle
from registry.trust.graph import check_graph

GRAPH = "models/model.json"
SAMPLE = "data/sample_inputs/model.pt"
_WEIGHTS = ("data/weights/", "model_weights_config.json", re.compile(r"weight_[0-9]+"))
_CONSTANTS = ("data/constants/", "model_constants_config.json", re.compile(r"tensor_[0-9]+"))
_NAMES = re.compile(
    r"data/weights/(?:weight_[0-9]+|model_weights_config\.json)"
    r"|data/constants/(?:tensor_[0-9]+|model_constants_config\.json)"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id"
    r"|\.format_version|\.storage_alignment"
)
_SAMPLE_NAMES = re.compile(
    r"data\.pkl|data/[0-9]+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)
_SAYS = {"archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little"}
_PAYLOAD = {"path_name", "is_param", "use_pickle", "tensor_meta"}


def check(file: Path, shown: str) -> None:
    """Hold a `.pt2` to what packaging's own exports contain. Raises ArtifactMismatch, which calls it `shown`."""
    archive = Archive(file, shown, "model", _NAMES)
    try:
        for name, wanted in _SAYS.items():
            if archive.read(name) != wanted:
                raise archive.wrong(f"has another {name} than {wanted.decode()}")
        for place, config, names in (_WEIGHTS, _CONSTANTS):
            _check_payload(archive, place, _json(archive, place + config), names)
        check_graph(_json(archive, GRAPH), shown)
        _check_sample(archive)
    finally:
        archive.close()


def _json(archive: Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as fault:
        raise archive.wrong(f"has an entry {name!r} that is no JSON: {fault}") from None


def _check_payload(archive: Archive, place: str, config: Any, names: re.Pattern[str]) -> None:
    """Each weight or constant is plain bytes of an entry; none is a pickle or an object."""
    if not isinstance(config, dict) or config.keys() != {"config"} or not isinstance(config["config"], dict):
        raise archive.wrong(f"has a list of {place!r} that packaging does not write")
    for name, payload in config["config"].items():
        if not _is_plain(payload, names) or f"{place}{payload['path_name']}" not in archive.sizes:
            raise archive.wrong(f"has pickled data, or none, for {name!r} in {place!r}")


def _is_plain(payload: Any, names: re.Pattern[str]) -> bool:
    return (
        isinstance(payload, Mapping)
        and payload.keys() == _PAYLOAD
        and payload["use_pickle"] is False
        and isinstance(payload["path_name"], str)
        and names.fullmatch(payload["path_name"]) is not None
        and isinstance(payload["tensor_meta"], dict)
    )


def _check_sample(archive: Archive) -> None:
    """Packaging leaves the sample inputs out; earlier commits kept a tensor of bytes there."""
    content = archive.read(SAMPLE)
    if not content:
        return
    shown = f"{archive.shown}/{SAMPLE}"
    inner = Archive(io.BytesIO(content), shown, "archive", _SAMPLE_NAMES)
    try:
        check_pickle(inner.read("data.pkl"), shown)
    finally:
        inner.close()
