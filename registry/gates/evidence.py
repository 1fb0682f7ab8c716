"""What is known of how good a version is: figures from labelled photos, kept as tags of the version.

An evaluation is of one data set at one precision; a later one of the same takes its place, and the run that
each names keeps what it found. A comparison is of a version against another version of the same model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry import tag_values, tags
from registry.errors import InvalidName
from registry.versions import ModelVersion

# A data set's name is one part of a tag's key, whose parts are divided by dots.
_DATASET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_LONG_AGO = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures of one version on one data set at one precision, and the run that has the whole of them."""

    dataset: str
    dataset_digest: str
    precision: str
    run_id: str
    at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)

    def as_tags(self) -> dict[str, str]:
        """The tags of the version that say this; `of` reads them back."""
        said = {
            tags.evidence(self.dataset, self.precision, metric): repr(float(value))
            for metric, value in self.metrics.items()
        }
        return said | {
            tags.evidence(self.dataset, self.precision, tags.EVIDENCE_RUN): self.run_id,
            tags.evidence(self.dataset, self.precision, tags.EVIDENCE_DIGEST): self.dataset_digest,
            tags.evidence(self.dataset, self.precision, tags.EVIDENCE_AT): written(self.at),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of one version beside another version of the same model, on the same photos."""

    against: int
    dataset: str
    dataset_digest: str
    run_id: str
    at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)

    def as_tags(self) -> dict[str, str]:
        """The tags of the challenger that say this; `comparisons_of` reads them back."""
        said = {
            tags.comparison(self.against, self.dataset, metric): repr(float(value))
            for metric, value in self.metrics.items()
        }
        return said | {
            tags.comparison(self.against, self.dataset, tags.EVIDENCE_RUN): self.run_id,
            tags.comparison(self.against, self.dataset, tags.EVIDENCE_DIGEST): self.dataset_digest,
            tags.comparison(self.against, self.dataset, tags.EVIDENCE_AT): written(self.at),
        }


def evidence_of(version: ModelVersion) -> list[Evidence]:
    """Everything that evaluations left on a version, by data set and precision.

    A tag that cannot be read is passed over with a line that names it.
    """
    return [
        Evidence(
            dataset,
            said.get(tags.EVIDENCE_DIGEST, ""),
            precision,
            said.get(tags.EVIDENCE_RUN, ""),
            _at(tags.evidence(dataset, precision, tags.EVIDENCE_AT), version),
            _metrics(said, tags.evidence(dataset, precision, ""), version),
        )
        for (dataset, precision), said in _grouped(version, tags.EVIDENCE)
    ]


def comparisons_of(version: ModelVersion) -> list[Comparison]:
    """Everything that comparisons left on a challenger, by the version that it was held against; as `evidence_of`."""
    return [
        Comparison(
            int(against),
            dataset,
            said.get(tags.EVIDENCE_DIGEST, ""),
            said.get(tags.EVIDENCE_RUN, ""),
            _at(tags.comparison(int(against), dataset, tags.EVIDENCE_AT), version),
            _metrics(said, tags.comparison(int(against), dataset, ""), version),
        )
        for (against, dataset), said in _grouped(version, tags.COMPARISON)
        if _is_number(against, f"{tags.COMPARISON}{against}.{dataset}.{min(said)}", version)
    ]


def checked_dataset(name: str) -> str:
    """A data set's name that a tag's key can hold. Raises InvalidName."""
    if not _DATASET.fullmatch(name):
        raise InvalidName(
            f"{name!r} cannot name a data set: only letters, digits, '-' and '_', at most 64.",
            "Name it with `--dataset NAME`.",
        )
    return name


def _grouped(version: ModelVersion, prefix: str) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in sorted(version.tags.items()):
        if not key.startswith(prefix):
            continue
        parts = key.removeprefix(prefix).split(".", 2)
        if len(parts) == 3:
            groups.setdefault((parts[0], parts[1]), {})[parts[2]] = value
        else:
            tag_values.skipped(key, tag_values.Malformed("its key names no figure"), version.pinned_uri)
    yield from groups.items()


def _is_number(against: str, key: str, version: ModelVersion) -> bool:
    """Whether the part of a key says which version a comparison is with, as we write it."""
    if _NUMBER.fullmatch(against):
        return True
    tag_values.skipped(key, tag_values.Malformed("its key names no version"), version.pinned_uri)
    return False


def _metrics(said: Mapping[str, str], prefix: str, version: ModelVersion) -> dict[str, float]:
    found = {}
    for what in sorted(said.keys() - {tags.EVIDENCE_RUN, tags.EVIDENCE_DIGEST, tags.EVIDENCE_AT}):
        try:
            found[what] = tag_values.number(said[what])
        except tag_values.Malformed as why:
            tag_values.skipped(prefix + what, why, version.pinned_uri)
    return found


def _at(key: str, version: ModelVersion) -> datetime:
    """When a figure was found; long ago where nobody can tell."""
    try:
        return tag_values.moment(version.tags.get(key, _LONG_AGO))
    except tag_values.Malformed as why:
        tag_values.skipped(key, why, version.pinned_uri)
        return tag_values.moment(_LONG_AGO)


def written(at: datetime) -> str:
    """A time as tags keep it."""
    return at.astimezone(UTC).isoformat(timespec="seconds")
