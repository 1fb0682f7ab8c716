"""Jobs of growing size -> a Markdown table and a plot of memory over time."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from .processes import Sample

JSON = "scale.json"
MARKDOWN = "scale.md"
PLOT = "scale.svg"
ROLES = {
    "max_driver": "driver (Python)",
    "max_jvm": "JVM (driver and executor)",
    "max_workers": "Python workers",
}


@dataclass(frozen=True, slots=True)
class Scaled:
    """One job over `rows`: a whole process in `seconds` from start to exit, and `cpu_s` of CPU time.

    `peak_megabytes` by role, and `samples` of memory over time; see `processes`.
    """

    rows: int
    seconds: float
    cpu_s: float
    input_megabytes: float
    peak_megabytes: dict[str, float]
    samples: list[Sample]

    @property
    def microseconds_per_row(self) -> float:
        """Start-up included."""
        return self.seconds / self.rows * 1e6


def write(folder: Path, scaled: list[Scaled], document: dict[str, Any]) -> list[Path]:
    """Write the Markdown and the plot; returns all files of the report, the JSON among them."""
    (folder / MARKDOWN).write_text(markdown(scaled, document))
    _plot(folder / PLOT, scaled)
    return [folder / JSON, folder / MARKDOWN, folder / PLOT]


def markdown(scaled: list[Scaled], document: dict[str, Any]) -> str:
    """What each size took, and what ten times the rows cost."""
    machine = document["machine"]
    lines = [
        "# Rows",
        "",
        "Made by `make bench-scale`: photos of 64x48 and less than 1 kB in Parquet, a model of one 1x1 convolution, "
        f"`local[{document['cores']}]`,",
        "whole processes from start to exit, each number of rows once. Memory is the peak of the proportional set "
        "size in MB;",
        "on a local master driver and executor share one JVM, whose heap fills to its limit before it collects.",
        "",
        f"| rows | input, MB | seconds | µs a row | µs a row beyond the row above | {' | '.join(ROLES.values())} |",
        "|---:|---:|---:|---:|---:|" + "---:|" * len(ROLES),
        *_rows(scaled),
        "",
        *_growth(scaled),
        "",
        f"![memory over time]({PLOT})",
        "",
        f"{document['started'][:10]}. {machine['cpu']} ({machine['flags']}), {machine['cores']} cores, "
        f"{machine['memory']}, {machine['system']}. "
        + ", ".join(f"{name} {version}" for name, version in document["versions"].items())
        + ".",
        "",
    ]
    return "\n".join(lines)


def _rows(scaled: list[Scaled]) -> list[str]:
    beyond = [""] + [f"{_marginal(few, many):,.0f}" for few, many in pairwise(scaled)]
    return [
        f"| {one.rows:,} | {one.input_megabytes:,.0f} | {one.seconds:,.1f} | {one.microseconds_per_row:,.0f} "
        f"| {more} | {' | '.join(f'{one.peak_megabytes.get(role, 0):,.0f}' for role in ROLES)} |"
        for one, more in zip(scaled, beyond, strict=True)
    ]


def _marginal(few: Scaled, many: Scaled) -> float:
    """Microseconds of each further row: start-up is in both and cancels out."""
    return (many.seconds - few.seconds) / (many.rows - few.rows) * 1e6


def _growth(scaled: list[Scaled]) -> list[str]:
    return [
        f"- {many.rows / few.rows:g}x the rows, from {few.rows:,}: {many.seconds / few.seconds:.1f}x the time, "
        f"{many.peak_megabytes['total'] / few.peak_megabytes['total']:.2f}x the memory"
        for few, many in pairwise(scaled)
    ]


def _plot(file: Path, scaled: list[Scaled]) -> None:
    plt.rcParams["svg.hashsalt"] = "stagewright"  # the same figures give the same file
    figure, axes = plt.subplots(1, len(scaled), figsize=(4 * len(scaled), 3), squeeze=False, sharey=True)
    for axis, one in zip(axes[0], scaled, strict=True):
        for role, title in ROLES.items():
            name = role.removeprefix("max_")
            at = [sample.at_s for sample in one.samples]
            axis.plot(at, [sample.megabytes.get(name, 0) for sample in one.samples], label=title)
        axis.set_title(f"{one.rows:,} rows", fontsize=10)
        axis.set_xlabel("seconds")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylim(bottom=0)  # once all have drawn: it ends the fitting of the axis that they share
    axes[0][0].set_ylabel("MB")
    axes[0][-1].legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 0.25))
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
