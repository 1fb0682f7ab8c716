"""What came of all architectures: as JSON to go on from, and as the table of docs/architectures.md."""

import json
from dataclasses import asdict
from pathlib import Path

from .. import machine
from .trial import Tried


def read(record: Path) -> dict[str, Tried]:
    """What is known already, by name."""
    if not record.is_file():
        return {}
    return {one["name"]: Tried.of(one) for one in json.loads(record.read_text())["architectures"]}


def write(record: Path, table: Path, done: dict[str, Tried], wanted: int) -> None:
    """The record, and the table that is made of it; both at once or not at all."""
    document = {"versions": machine.versions(), "architectures": [asdict(one) for one in done.values()]}
    for file, text in ((record, json.dumps(document, indent=1)), (table, as_table(done, wanted))):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}")
        unfinished.write_text(text.rstrip() + "\n")
        unfinished.replace(file)


def as_table(done: dict[str, Tried], wanted: int) -> str:
    """Markdown: a line each, what failed below it."""
    good = [one for one in done.values() if not one.reason]
    bad = [one for one in done.values() if one.reason]
    cpus = sorted({one.cpu for one in done.values()})
    lines = [
        _HEAD.format(good=len(good), done=len(done), wanted=max(wanted, len(done)), cpus="; ".join(cpus))
    ]
    lines += [_line(one) for one in sorted(good, key=lambda one: one.name)]
    if bad:
        lines += [
            "",
            "## What cannot be packaged",
            "",
            "| architecture | why, as torch or OpenVINO says it |",
            "|---|---|",
        ]
        lines += [
            f"| `{one.name}` | {one.reason.replace('|', '/')} |"
            for one in sorted(bad, key=lambda one: one.name)
        ]
    return "\n".join(lines)


_HEAD = """# Architectures

Every classification model of torchvision, and one of each family of timm (its smallest, by its name), with random
weights, and batch normalisations that have seen a batch of noise: packaged, and its graph for OpenVINO held against
torch. `make architectures` goes on where it was stopped, `ARGS=--again` begins anew. {good} of {done} that were tried
can be packaged; {wanted} are to be tried.

`difference` is the largest of a logit, as a share of the largest logit, on 8 images of noise (of the slowest, on one).
Speeds are photos a second of the engine alone in one process, without decoding, on: {cpus}. The two precisions are
measured by turns, three times, and the medians told; other work may have run meanwhile. They are for comparing f32 with
bf16 in one line, and no benchmark.

| architecture | parameters | photos | packaged | difference | f32 | bf16 | bf16 / f32 |
|---|---:|---|---:|---:|---:|---:|---:|"""


def _line(one: Tried) -> str:
    ratio = f"{one.bf16 / one.f32:.2f}" if one.f32 and one.bf16 else ""
    size = f"{one.size[0]} x {one.size[1]}"
    speeds = " | ".join("" if speed is None else _speed(speed) for speed in (one.f32, one.bf16))
    packaged = f"{one.parameters / 1e6:,.1f} M | {size} | {one.packaged_s:,.0f} s"
    return f"| `{one.name}` | {packaged} | {one.difference or 0:.1e} | {speeds} | {ratio} |"


def _speed(photos: float) -> str:
    return f"{photos:,.1f}" if photos >= 1 else f"{photos:.3g}"
