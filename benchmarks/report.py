"""Results -> JSON, a Markdown table and a plot."""

import math
from pathlib import Path

import matplotlib

from .catalogue import REFERENCE
from .networks import NETWORKS
from .results import Invocation, Result, Spread

matplotlib.use("Agg")
from matplotlib import pyplot as plt

JSON = "speed.json"
MARKDOWN = "speed.md"
PLOT = "speed.svg"
WHOLE_PHOTOS = 1000
COLOURS = {"stagewright": "#0b6e4f", "inprocess": "#9bbfb0"}
RIVAL_COLOUR = "#b0b0b0"
COLUMNS = (
    "images/s",
    f"x {REFERENCE}",
    "of its limit",
    "CPU ms an image",
    f"{WHOLE_PHOTOS:,} photos, s",
    "memory, MB",
    "same label",
)
HOW = f"""# Speed

Made by `make bench`; [what the figures mean](README.md).

- **images/s** is the steady state: the difference in wall time between whole processes over few and over many photos,
  so start-up, warm-up and shutdown cancel out. Median of the repeats, lowest and highest in brackets.
- **CPU ms an image** is the CPU time of the whole process tree for each further photo.
- **{WHOLE_PHOTOS:,} photos** is a whole process from start to exit, start-up included, for that many photos: on the
  straight line through the two measured sizes.
- **memory** is the peak of the whole process tree, the JVM included, shared pages counted once.
- **same label** is the share of photos with the label of the article's code. The weights of all but EfficientNet-lite0
  are random, and random networks decide narrowly: below f32 only EfficientNet-lite0 says something of agreement.
"""


def write(folder: Path, invocations: list[Invocation]) -> list[Path]:
    """Write the Markdown and the plot into `folder`; returns all files of the report, the JSON among them."""
    ordered = sorted(invocations, key=lambda one: (list(NETWORKS).index(one.network), one.started))
    (folder / MARKDOWN).write_text(markdown(ordered))
    _plot(folder / PLOT, ordered)
    return [folder / JSON, folder / MARKDOWN, folder / PLOT]


def markdown(invocations: list[Invocation]) -> str:
    """A section for each invocation: ratios are never taken across them."""
    return "\n".join([HOW, f"![images a second]({PLOT})", "", *(_section(one) for one in invocations)])


def _section(invocation: Invocation) -> str:
    lines = [
        f"## {NETWORKS[invocation.network].title}",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * len(COLUMNS)}",
        *(_row(invocation, result) for result in invocation.results),
        "",
        _conditions(invocation),
        "",
    ]
    return "\n".join(lines)


def _row(invocation: Invocation, result: Result) -> str:
    same = "" if result.same_labels is None else f"{result.same_labels:.1%}"
    cells = (
        result.contender,
        _spread(result.images_per_second, 1),
        _ratio(invocation.ratio(result, REFERENCE)),
        _ratio(invocation.ratio(result, result.limit)),
        f"{result.cpu_ms_per_image:.1f}",
        _spread(result.whole_s(WHOLE_PHOTOS), 1),
        f"{result.peak_megabytes:,.0f}",
        same,
    )
    return f"| {' | '.join(cells)} |"


def _spread(spread: Spread, digits: int) -> str:
    if math.isnan(spread.median):
        return "too few photos"
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"


def _ratio(spread: Spread | None) -> str:
    return f"{spread.median:.2f}" if spread and not math.isnan(spread.median) else ""


def _conditions(invocation: Invocation) -> str:
    machine, photos = invocation.machine, invocation.photos
    repeats = max(len(result.readings) for result in invocation.results)
    packages = ", ".join(f"{name} {version}" for name, version in invocation.versions.items())
    return (
        f"{invocation.started[:10]}, {repeats} repeats, {invocation.cores} cores of {machine['cores']}. "
        f"{machine['cpu']} (family/model {machine['family and model']}; {machine['flags']}), "
        f"{machine['memory']}, {machine['system']}. "
        f"{photos['different']} different photos of {photos['mean_kilobytes']} kB on average, "
        f"repeated as needed: {photos['source']}. {packages}."
    )


def _plot(file: Path, invocations: list[Invocation]) -> None:
    plt.rcParams["svg.hashsalt"] = "stagewright"  # the same figures give the same file
    heights = [len(invocation.results) for invocation in invocations]
    figure, axes = plt.subplots(
        len(invocations),
        1,
        figsize=(8, 1 + 0.32 * sum(heights) + 0.6 * len(heights)),
        squeeze=False,
        height_ratios=heights,
    )
    for axis, invocation in zip(axes[:, 0], invocations, strict=True):
        _bars(axis, invocation)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: plt.Axes, invocation: Invocation) -> None:
    results = invocation.results[::-1]
    spreads = [result.images_per_second for result in results]
    medians = [spread.median for spread in spreads]
    errors = [
        [spread.median - spread.low for spread in spreads],
        [spread.high - spread.median for spread in spreads],
    ]
    names = [result.contender for result in results]
    colours = [COLOURS.get(name.partition("-")[0], RIVAL_COLOUR) for name in names]
    bars = axis.barh(names, medians, xerr=errors, color=colours, ecolor="#444444", capsize=2)
    axis.bar_label(bars, fmt="%.0f", padding=4, fontsize=8)
    axis.set_title(f"{NETWORKS[invocation.network].title}: images a second, steady state", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0.1)
