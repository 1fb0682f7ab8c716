"""What `history --public-key` shows: each event, and what the keys say of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from registry import Audited, PublicKey

from ..tables import aligned
from .documents import EVENT_HEADER, event_document, event_row

_SIGNED = "SIGNED"


def document(audited: Audited) -> dict[str, Any]:
    """One event, whole, with what is known of its signatures and what is wrong with it."""
    return event_document(audited.event) | {
        "signature": audited.signature.value,
        "signed_by": [key.fingerprint for key in audited.keys],
        "faults": list(audited.faults),
    }


def table(found: Sequence[Audited], names: Mapping[PublicKey, str]) -> list[str]:
    """One line an event, the newest last, and below them what is wrong; `names` are the files of the keys."""
    if not found:
        return ["Nothing has happened to this model through stagewright."]
    *header, because = EVENT_HEADER
    rows = []
    for audited in found:
        *row, reason = event_row(audited.event)
        rows.append((*row, _signed(audited, names), reason))
    faults = [
        f"{audited.event.event_id}, version {audited.event.version}: {fault}"
        for audited in found
        for fault in audited.faults
    ]
    return [*aligned((*header, _SIGNED, because), rows), *faults]


def _signed(audited: Audited, names: Mapping[PublicKey, str]) -> str:
    by = ", ".join(f"{names[key]} ({key.shown})" for key in audited.keys)
    return f"{audited.signature.value}: {by}" if by else audited.signature.value
