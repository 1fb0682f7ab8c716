"""The command that brings what a gate misses; none where that command would refuse the version."""

from __future__ import annotations

from registry.versions import ModelVersion

# Kinds that `evaluate` has figures for, and of which two can be compared.
EVALUATED = ("classifier", "multilabel")
COMPARED = "classifier"


def evaluate(version: ModelVersion, dataset: str, precision: str, signed: bool) -> str:
    """`stagewright evaluate …`; figures of what stagewright did not package cannot be signed, and have no precision."""
    asked = f"stagewright evaluate {version.pinned_uri}"
    if version.manifest_digest is None:
        if signed or precision != "f32":
            return ""
        table = "--input TABLE --input-format FORMAT --label-column NAME --allow-foreign"
        return f"{asked} {table} --dataset {dataset}"
    if (version.kind or COMPARED) not in EVALUATED:
        return ""
    at = "" if precision == "f32" else f" --precision {precision}"
    return f"{asked} --images DIR --labels CSV --dataset {dataset}{at}{_key(signed)}"


def compare(current: ModelVersion, candidate: ModelVersion, dataset: str, signed: bool) -> str:
    """`stagewright compare …`, of two classifiers, or of two versions that stagewright did not package."""
    if all(each.manifest_digest is None for each in (current, candidate)):
        table = "--input TABLE --input-format FORMAT --keep KEY --output PATH --allow-foreign"
        versions = f"{current.pinned_uri} {candidate.pinned_uri}"
        return "" if signed else f"stagewright compare {versions} {table} --dataset {dataset}"
    if any(
        each.manifest_digest is None or (each.kind or COMPARED) != COMPARED for each in (current, candidate)
    ):
        return ""
    versions = f"{current.pinned_uri} {candidate.pinned_uri}"
    where = f"--input DIR --labels CSV --output PATH --dataset {dataset}"
    return f"stagewright compare {versions} {where}{_key(signed)}"


def approve(version: ModelVersion, stage: str) -> str:
    """`stagewright approve …`, of what stagewright packaged."""
    if version.manifest_digest is None:
        return ""
    return f"stagewright approve {version.name} {version.number} {stage} --private-key FILE"


def _key(signed: bool) -> str:
    return " --private-key FILE" if signed else ""
