"""What is known of how good a version is: figures from labelled photos, kept as tags of the version.

An evaluation is of one data set at one precision; a later one of the same takes its place, and the run that
each names keeps what it found. A comparison is of a version against another version of the same model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry import tags
from registry.errors import InvalidName
from registry.versions import ModelVersion

# A data set's name is one part of a tag's key, whose parts are divided by dots.
_DATASET = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
            tags.evidence(self.dataset, self.precision, tags.EVIDENCE_AT): _written(self.at),
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
            tags.comparison(self.against, self.dataset, tags.EVIDENCE_AT): _written(self.at),
        }


def evidence_of(version: ModelVersion) -> list[Evidence]:
    """Everything that evaluations left on a version, by data set and precision."""
    return [
        Evidence(dataset, *_digest_first(said, precision), metrics=_metrics(said))
        for (dataset, precision), said in _grouped(version, tags.EVIDENCE)
    ]


def comparisons_of(version: ModelVersion) -> list[Comparison]:
    """Everything that comparisons left on a challenger, by the version that it was held against."""
    return [
        Comparison(
            int(against),
            dataset,
            said.get(tags.EVIDENCE_DIGEST, ""),
            said.get(tags.EVIDENCE_RUN, ""),
            _read(said),
            _metrics(said),
        )
        for (against, dataset), said in _grouped(version, tags.COMPARISON)
    ]


def checked_dataset(name: str) -> str:
    """A data set's name that a tag's key can hold. Raises InvalidName."""
    if not _DATASET.fullmatch(name):
        raise InvalidName(
            f"{name!r} cannot name a data set: only letters, digits, '-' and '_', at most 64.",
            "Name it with `--dataset NAME`.",
        )
    return name


def _digest_first(said: Mapping[str, str], precision: str) -> tuple[str, str, str, datetime]:
    return said.get(tags.EVIDENCE_DIGEST, ""), precision, said.get(tags.EVIDENCE_RUN, ""), _read(said)


def _grouped(version: ModelVersion, prefix: str) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in sorted(version.tags.items()):
        if key.startswith(prefix):
            first, second, what = key.removeprefix(prefix).split(".", 2)
            groups.setdefault((first, second), {})[what] = value
    yield from groups.items()


def _metrics(said: Mapping[str, str]) -> dict[str, float]:
    known = {tags.EVIDENCE_RUN, tags.EVIDENCE_DIGEST, tags.EVIDENCE_AT}
    return {what: float(value) for what, value in said.items() if what not in known}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _read(said: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(said.get(tags.EVIDENCE_AT, "1970-01-01T00:00:00+00:00"))
