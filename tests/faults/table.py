"""The table of what a soak found, in `docs/reliability.md` between two marks."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.faults.host import ROOT

if TYPE_CHECKING:
    from tests.faults.soak import Round

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- faults: begin; written by make soak-faults -->"
END = "<!-- faults: end -->"
_INTRODUCTION = f"""# What happens when something breaks

A scoring job may be killed at any instant; the same command again scores what is not done, and readers of the output
see whole chunks, once. This is what was tried, by `make soak-faults`.

{BEGIN}
{END}
"""
_HEADER = (
    "| fault | times | what becomes of the job | rows lost | rows twice | mixed versions | "
    "partial reads | wrong answers | time to recover: median, worst |\n|---|---:|---|---:|---:|---:|---:|---:|---:|"
)


def rounds(kept: Path) -> "list[Round]":
    """Those that are kept in a file, if it is there."""
    from tests.faults.soak import Round

    if not kept.exists():
        return []
    return [Round(**json.loads(line)) for line in kept.read_text().splitlines() if line]


def write(kept: Path, document: Path = DOCUMENT) -> None:
    """Put the table in place of what is between the marks."""
    text = document.read_text() if document.exists() else _INTRODUCTION
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{made_of(rounds(kept))}\n{END}{after}")


def made_of(played: "Sequence[Round]") -> str:
    """The table in Markdown, with a line that adds it up."""
    from tests.faults.all_faults import FAULTS, OF_ROOT

    of: dict[str, list[Round]] = defaultdict(list)
    for each in played:
        of[each.fault].append(each)
    lines = [
        _line(fault.name, fault.outcome, of[fault.name]) for fault in (*FAULTS, *OF_ROOT) if fault.name in of
    ]
    return "\n".join([_summary(played), "", _HEADER, *lines, _line("**all**", "", played)])


def _line(name: str, outcome: str, played: "Sequence[Round]") -> str:
    times = sum(each.times for each in played)
    counts = [
        sum(each.wrong[key] for each in played) for key in ("lost", "twice", "mixed", "partial", "wrong")
    ]
    took = [each.recover_s for each in played if each.times]
    recover = f"{median(took):.1f} s, {max(took):.1f} s" if took else ""
    return f"| {name} | {times:,} | {outcome} | {' | '.join(map(str, counts))} | {recover} |"


def _summary(played: "Sequence[Round]") -> str:
    times = sum(each.times for each in played)
    snapshots = sum(each.snapshots for each in played)
    unfinished, running, left = (
        sum(each.wrong[key] for each in played) for key in ("unfinished", "running", "left")
    )
    return (
        f"{times:,} faults in {len(played):,} jobs, during which pyarrow and DuckDB read the outputs "
        f"{snapshots:,} times. "
        f"After the jobs: {unfinished} unfinished files, {running} runs that say RUNNING, {left} processes left."
        f"{_in_vain(played)}"
    )


def _in_vain(played: "Sequence[Round]") -> str:
    again = [rows for each in played for rows in each.rows_again]
    if not again:
        return ""
    return (
        f" {len(again)} drivers were killed in the midst of chunks, up to "
        f"{max(len(each.rows_again) for each in played)} in one job: each cost {median(again):.0f} rows that were "
        f"scored again in the median, {max(again)} at worst, and never more than a chunk for each of the two cores."
    )
