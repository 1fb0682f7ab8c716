"""What the registry's commands show: documents for `--json`, aligned tables for a person."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from registry import (
    Copied,
    DeclaredStage,
    Event,
    EventKind,
    Imported,
    ModelVersion,
    Policy,
    Promotion,
    Stage,
    Tenure,
    Verdict,
)

from ..tables import DIGEST_SHOWN, aligned

REASON_SHOWN = 72
EVENT_HEADER = ("WHEN (UTC)", "WHO", "WHAT", "VERSION", "FROM", "TO", "INSTEAD OF", "BECAUSE")
TENURE_HEADER = ("STAGE", "VERSION", "SINCE (UTC)", "BY", "BECAUSE")
_WORDS = {EventKind.ROLLED_BACK: "rolled back", EventKind.SEEN: "seen from outside"}


def version_document(version: ModelVersion) -> dict[str, Any]:
    """One version, whole."""
    return {
        "uri": version.pinned_uri,
        "name": version.name,
        "version": version.number,
        "stage": version.stage.value,
        "aliases": list(version.aliases),
        "kind": version.kind,
        "architecture": version.architecture,
        "precisions": list(version.precisions),
        "transforms": list(version.transforms),
        "decodes": list(version.decodes),
        "measured": version.measured,
        "model_digest": version.model_digest,
        "created_at": version.created_at.isoformat(),
        "source_run_id": version.source_run_id,
        "tags": dict(version.tags),
    }


def copied(version: ModelVersion, found: Copied, target: str) -> dict[str, Any]:
    """What a copy made, of what, and what did not come along."""
    done = found.registration
    return {
        "uri": done.version.pinned_uri,
        "name": done.version.name,
        "version": done.version.number,
        "created": done.created,
        "registry": target,
        "copied_from": version.pinned_uri,
        "model_digest": done.version.model_digest,
        "warnings": [*done.warnings, *found.left],
    }


def versions(found: Sequence[ModelVersion]) -> list[str]:
    """One line a version, the newest last."""
    if not found:
        return ["No version is registered under this name."]
    header = ("VERSION", "STAGE", "ALIASES", "KIND", "ARCHITECTURE", "PRECISIONS", "DIGEST", "CREATED (UTC)")
    return aligned(
        header,
        (
            (
                str(version.number),
                version.stage.value,
                ", ".join(version.aliases) or "-",
                version.kind or "-",
                version.architecture or "-",
                _precisions(version),
                (version.model_digest or "-")[:DIGEST_SHOWN],
                f"{version.created_at:%Y-%m-%d %H:%M:%S}",
            )
            for version in found
        ),
    )


def _precisions(version: ModelVersion) -> str:
    """`f32, bf16 (99.5 %)`: with the agreement with f32 that was measured when the version was packaged."""
    agreements = {name: figures.get("agreement") for name, figures in version.measured.items()}
    shown = []
    for precision in version.precisions:
        agreement = agreements.get(precision)
        shown.append(precision if agreement is None else f"{precision} ({100 * agreement:.1f} %)")
    return ", ".join(shown) or "-"


def event_document(event: Event) -> dict[str, Any]:
    """One event of the ledger, whole; `recorded` is false where it was seen and no promotion has written it down."""
    return {name: _plain(value) for name, value in asdict(event).items()} | {"recorded": bool(event.event_id)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value if isinstance(value, int | float | str | None) else str(value)


def events(found: Sequence[Event]) -> list[str]:
    """One line an event, the newest last."""
    if not found:
        return ["Nothing has happened to this model through stagewright."]
    return aligned(EVENT_HEADER, map(event_row, found))


def imported_document(found: Imported) -> dict[str, Any]:
    """One event of another registry, with where it is from; events of this one have no `imported`."""
    return event_document(found.event) | {"imported": found.origin.document()}


def imported(found: Sequence[Imported]) -> list[str]:
    """A table for each other registry, which says so; nothing where nothing was imported."""
    lines = []
    for origin in dict.fromkeys(one.origin for one in found):
        title = f"Imported from {origin.model} in {origin.registry} by {origin.by} at {origin.at:%Y-%m-%d %H:%M:%S}"
        rows = [event_row(one.event) for one in found if one.origin == origin]
        lines += [f"{_printable(title)}; versions are numbered as there:", *aligned(EVENT_HEADER, rows), ""]
    return [*lines, "Here:"] if lines else []


def event_row(event: Event) -> tuple[str, ...]:
    """One event below EVENT_HEADER."""
    return (
        f"{event.at:%Y-%m-%d %H:%M:%S}",
        one_line(event.who),
        _WORDS.get(event.kind, event.kind.value),
        str(event.version),
        event.from_stage.value,
        event.to_stage.value,
        str(event.previous or "-"),
        one_line(event.because) or one_line(_explained(event)) or "-",
    )


def one_line(text: str) -> str:
    """A text as a table shows it, without what a terminal would obey; `--json` has all of it."""
    return textwrap.shorten(_printable(text), REASON_SHOWN, placeholder=" …")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _explained(event: Event) -> str:
    """What an event says besides, where nobody gave a reason."""
    said = event.more
    if "alias" in said:
        return f"alias {said['alias']} points to {said['points_to'] or 'nothing'} now"
    if "deleted" in said:
        return "deleted"
    failed = [gate["gate"] for gate in said.get("gates", []) if not gate["passed"]]
    return f"gates: {', '.join(failed)}" if failed else ""


def standing_document(moment: datetime, found: Sequence[Tenure]) -> dict[str, Any]:
    """Which version stood in each stage at a moment, and the event that put it there."""
    stages = {
        tenure.stage.value: {
            "version": tenure.version,
            "event": event_document(tenure.since) if tenure.since else None,
        }
        for tenure in found
    }
    return {"at": moment.isoformat(), "stages": stages}


def standing(moment: datetime, found: Sequence[Tenure]) -> list[str]:
    """One line a stage."""
    title = f"At {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC:"
    return [title, *aligned(TENURE_HEADER, map(tenure_row, found))]


def tenure_row(tenure: Tenure) -> tuple[str, ...]:
    """One stage below TENURE_HEADER."""
    event = tenure.since
    by = (
        (f"{event.at:%Y-%m-%d %H:%M:%S}", one_line(event.who), one_line(event.because) or "-")
        if event
        else ("-", "-", "-")
    )
    return (tenure.stage.value, str(tenure.version or "-"), *by)


def verdicts(found: Sequence[Verdict]) -> list[str]:
    """One line a gate, and below them the commands that bring what is missing."""
    rows = [
        (verdict.gate, one_line(verdict.found), verdict.wanted, "passed" if verdict.passed else "FAILED")
        for verdict in found
    ]
    steps = dict.fromkeys(verdict.next_step for verdict in found if verdict.next_step)
    return [*aligned(("GATE", "FOUND", "WANTED", "VERDICT"), rows), *(f"Next: {step}" for step in steps)]


def policy_document(name: str, found: Policy) -> dict[str, Any]:
    """A registered model's policy, whole; its keys by their fingerprints."""
    return {
        "name": name,
        "refuse": list(found.document().get("refuse", [])),
        "require_signature": bool(found.public_keys),
        "public_keys": [key.fingerprint for key in found.public_keys],
        "only_stage": found.only_stage.value if found.only_stage else None,
        "move_keys": [key.fingerprint for key in found.move_keys],
        "set_by": found.set_by or None,
        "set_at": found.set_at or None,
    }


def policy(found: Policy) -> list[str]:
    """One line a rule."""
    lines = ["refuses pickled parts"] if found.refuse_pickled else []
    lines += ["refuses versions that stagewright did not package"] if found.refuse_foreign else []
    lines += [f"takes what is signed by {key.fingerprint}" for key in found.public_keys]
    lines += [f"lets jobs use {found.only_stage.value} only"] if found.only_stage else []
    lines += [f"counts moves that are signed by {key.fingerprint}" for key in found.move_keys]
    author = f" (set by {found.set_by} at {found.set_at})" if found.set_by else ""
    return [f"{found.declared[0].upper()}{found.declared[1:]}{author}:", *(lines or ["refuses nothing"])]


def moved(promotion: Promotion) -> list[str]:
    """What a promotion or rollback did, and the command to run next."""
    version, stage = promotion.version, promotion.stage
    if promotion.event is None:
        return [f"Version {version.number} stands in {stage.value} already; nothing was moved."]
    lines = [f"{version.name} version {version.number} is in {stage.value} now."]
    if promotion.previous is not None:
        archived = "" if isinstance(stage, DeclaredStage) else " and is archived now"
        lines.append(f"Version {promotion.previous.number} made room{archived}.")
    left = promotion.event.from_stage
    if left is Stage.PRODUCTION and version.stage is not left:
        lines.append(f"Nothing is in Production now: jobs that name models:/{version.name}/Production fail.")
    if stage.alias:
        if version.manifest_digest is not None:  # what stagewright did not package it cannot score
            lines.append(f"Next: stagewright score {_uri(version, stage)} --input … --output …")
        lines.append(f"Back: stagewright rollback {version.name} {stage.value} --because …")
    return lines


def _uri(version: ModelVersion, stage: Stage | DeclaredStage) -> str:
    if isinstance(stage, DeclaredStage):
        return f"models:/{version.name}@{stage.alias}"
    return f"models:/{version.name}/{stage.value}"
