"""In what two versions differ: by their tags, and by the labels and the preprocessing that they carry."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from registry import ModelVersion, Registry

from .tables import DIGEST_SHOWN

NOTHING = "-"
# Of a list of labels, so many that differ are named.
LABELS_SHOWN = 3
_PREPROCESS, _LABELS = "artifacts/model/preprocess.json", "artifacts/model/labels.json"
# Tags that are another one for each version, whatever is in it.
_OF_EACH = ("stagewright.manifest_digest", "stagewright.logged_model", "stagewright.source_run")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is so in the first and so in the second; `-` where it is not there."""

    part: str
    first: str
    second: str

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def of(registry: Registry, first: ModelVersion, second: ModelVersion, fetch: bool = True) -> list[Difference]:
    """All of them, those of the model before those of its tags; `fetch`: verify both, and look into them.

    Raises registry.RegistryError.
    """
    tags = list(_of_mappings(_shown(first), _shown(second)))
    if not fetch or None in (first.manifest_digest, second.manifest_digest):
        return tags
    with tempfile.TemporaryDirectory(prefix="stagewright-diff-") as scratch:
        roots = [registry.fetch(each, Path(scratch) / side) for side, each in (("a", first), ("b", second))]
        preprocess = [_read(root / _PREPROCESS) or {} for root in roots]
        labels = [_read(root / _LABELS) or [] for root in roots]
    return [
        *(
            Difference(f"preprocess {each.part}", each.first, each.second)
            for each in _of_mappings(*(_texts(one) for one in preprocess))
        ),
        *_of_labels(*labels),
        *tags,
    ]


def _shown(version: ModelVersion) -> dict[str, str]:
    """What a version says of itself, digests as people compare them."""
    said = {key: value for key, value in version.tags.items() if key not in _OF_EACH}
    for key, value in said.items():
        if "digest" in key:
            said[key] = value[:DIGEST_SHOWN]
    return said


def _of_mappings(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted(first.keys() | second.keys()):
        pair = first.get(key, NOTHING), second.get(key, NOTHING)
        if pair[0] != pair[1]:
            yield Difference(key, *pair)


def _of_labels(first: list[str], second: list[str]) -> Iterator[Difference]:
    if len(first) != len(second):
        yield Difference("labels", f"{len(first)} labels", f"{len(second)} labels")
    others = [(i, *pair) for i, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]]
    for number, one, other in others[:LABELS_SHOWN]:
        yield Difference(f"label {number}", one, other)
    if others[LABELS_SHOWN:]:
        more = f"{len(others) - LABELS_SHOWN:,} more differ"
        yield Difference("labels", more, more)


def _texts(said: Mapping[str, Any]) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in said.items()}


def _read(file: Path) -> Any:
    return json.loads(file.read_text()) if file.is_file() else None
