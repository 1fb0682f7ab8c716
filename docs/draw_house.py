"""Draws the house from its imports: packages, their rooms, and arrows from each room to those that it imports.

    .venv/bin/python docs/draw_house.py [--root DIR] [--output FILE.svg]

Every import counts, those in functions and under TYPE_CHECKING too. A room is a folder one level below its package; its
`__init__` is counted and not named. Files that lie loose in the package are in no room: they are drawn as "(top)" in up
to three boxes, because some stand above the rooms and others below: those that import a room, those that a room also
imports, and those that import none. Arrows out of a package's own `__init__` are left out, since it only says once more
what others define; arrows into it, from other packages, are drawn. The same tree gives the same bytes.
"""

import argparse
import ast
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import matplotlib
import numpy as np
from scipy.optimize import isotonic_regression

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

ROOT = Path(__file__).parents[1]
PACKAGES = ("registry", "pyfunc_models", "jobs")
# Pixels, at 96 to the inch.
WIDTH, HEAD, FOOT, GAP, PAD, LINE, LETTER, SIDE = 1560, 54, 20, 32, 8, 14, 5.6, 28
SWEEPS, STRAIGHT = 80, 8
STOREYS = {"jobs": 0, "registry": 1, "pyfunc_models": 1}
WALLS = {"jobs": (12, 1548), "registry": (12, 774), "pyfunc_models": (786, 1548)}
TINTS = {"jobs": "#f1ecf7", "registry": "#e7eff9", "pyfunc_models": "#e8f4e8"}
LOOSE, LOOSE_TINT = "(top)", "#ffe3a8"
COLOURS = {
    "within": "#44546a",
    "between": "#d9722b",
    "within, implied": "#a3b1c2",
    "between, implied": "#f0c09a",
    "upward": "#c00000",
}
LEGEND = {
    "within": (745, "imports"),
    "between": (850, "imports from another package"),
    "within, implied": (1090, "pale: also by way of another room"),
    "upward": (1375, "against the order"),
}

Graph = Mapping[str, Iterable[str]]
Arrows = Mapping[tuple[str, str], int]
"""(who imports, what is imported) -> by how many pairs of files."""


# --- reading the imports


def files(root: Path, packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Every module of the packages below `root`: its dotted name -> its path relative to `root`."""
    paths = sorted(path.relative_to(root) for package in packages for path in (root / package).rglob("*.py"))
    return {".".join(p.parent.parts if p.stem == "__init__" else p.with_suffix("").parts): p for p in paths}


def imports_of(root: Path, modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Each module -> the others of `modules` that it names in an import, wherever in the file that stands.

    `from package import name` means the module package.name where there is one; else, and only then, `package`.
    """
    return {
        module: {
            name for name in _named(ast.parse((root / path).read_text()), path, modules) if name != module
        }
        for module, path in modules.items()
    }


def _named(tree: ast.Module, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    folder = path.parent.parts
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                yield from {alias.name for alias in aliases} & modules.keys()
            case ast.ImportFrom(names=aliases, level=level, module=base):
                package = folder[: len(folder) - level + 1] if level else ()
                origin = ".".join([*package, *([base] if base else [])])
                inner = {f"{origin}.{alias.name}" for alias in aliases}
                yield from {name if name in modules else origin for name in inner} & modules.keys()


def reached(graph: Graph, start: str) -> set[str]:
    """All that `start` imports, directly or through others; `start` itself only if it stands in a circle."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting.extend(graph[name])
    return found


def circles(graph: Graph) -> list[list[str]]:
    """The sets of names that all import one another, directly or through others; sorted, empty if there is none."""
    reach = {name: reached(graph, name) for name in graph}
    found = {
        tuple(sorted(o for o in reach[name] if name in reach[o])) for name in graph if name in reach[name]
    }
    return [list(circle) for circle in sorted(found)]


# --- the house


@dataclass(frozen=True)
class Room:
    """A box: the files of one folder, or some of those that lie loose in the package."""

    title: str
    files: tuple[Path, ...]
    lines: int

    @property
    def loose(self) -> bool:
        return len(self.files[0].parts) == 2

    @property
    def names(self) -> list[str]:
        """The files' names in lines of text; those of a deeper folder follow its name."""
        folders = defaultdict(list)
        for path in self.files:
            if self.loose or path.stem != "__init__":
                folders["/".join(path.parts[2:-1])].append(path.stem)
        parts = [f"{folder}/ {', '.join(names)}".removeprefix("/ ") for folder, names in folders.items()]
        return textwrap.wrap(" · ".join(parts), 54, break_on_hyphens=False)


@dataclass(frozen=True)
class House:
    """What is drawn: rooms by their key `package/name`, arrows between keys, and circles of files.

    `among` counts the imports among loose files of one package, most of which no arrow shows.
    """

    rooms: dict[str, Room]
    arrows: Arrows
    among: int
    circles: list[list[str]]


def house(root: Path) -> House:
    """The house as the files below `root` make it."""
    modules = files(root)
    graph = imports_of(root, modules)
    places = _places(modules, {name: set() if name in PACKAGES else graph[name] for name in graph})
    content = defaultdict(list)
    for module, path in modules.items():
        content[places[module]].append(path)
    rooms = {}
    for key, paths in sorted(content.items()):
        lines = sum(len((root / path).read_text().splitlines()) for path in paths)
        rooms[key] = Room(key.partition("/")[2], tuple(paths), lines)
    arrows = Counter((places[a], places[b]) for a in graph if a not in PACKAGES for b in sorted(graph[a]))
    among = sum(
        n for (a, b), n in arrows.items() if a.partition(LOOSE)[:2] == b.partition(LOOSE)[:2] and LOOSE in a
    )
    return House(rooms, {pair: n for pair, n in arrows.items() if pair[0] != pair[1]}, among, circles(graph))


def _places(modules: Mapping[str, Path], graph: Graph) -> dict[str, str]:
    """Each module -> the key of its room."""
    reach = {module: reached(graph, module) for module in modules}
    places = {}
    for module, path in modules.items():
        inside = [m for m, p in modules.items() if len(p.parts) > 2 and p.parts[0] == path.parts[0]]
        imports = module in PACKAGES or not reach[module].isdisjoint(inside)
        imported = any(module in reach[other] for other in inside)
        loose = f"{LOOSE} " + ("below" if not imports else "between" if imported else "above")
        places[module] = f"{path.parts[0]}/{path.parts[1] if len(path.parts) > 2 else loose}"
    return places


def depths(names: Iterable[str], arrows: Arrows) -> dict[str, int]:
    """How many layers below the uppermost each stands: below its importers; a circle starts where least comes in."""
    graph = {name: [b for a, b in arrows if a == name] for name in names}
    reach = {name: len({name, *reached(graph, name)}) for name in graph}
    coming = {name: sum(count for (_, b), count in arrows.items() if b == name) for name in graph}
    depth: dict[str, int] = {}
    for name in sorted(graph, key=lambda name: (-reach[name], coming[name], name)):
        above = [depth[other] for pair in arrows if name in pair for other in pair if other in depth]
        depth[name] = 1 + max(above, default=-1)
    return depth


# --- where everything stands


@dataclass(frozen=True, order=True)
class Spot:
    """A place in a layer: a room, or where the lines of one colour to a room pass that layer on their way."""

    layer: int
    package: str
    key: str
    colour: str = ""
    width: float = 6
    height: float = 0


Line = tuple[Spot, Spot, str]
"""From a spot to one in the next layer, and the colour."""


@dataclass(frozen=True)
class Plan:
    """The lines, and where in pixels the middle of each spot and the edges of each layer are."""

    lines: list[Line]
    x: dict[Spot, float]
    tops: list[float]
    bottoms: list[float]


def plan(drawn: House) -> Plan:
    """Layers from the top of the page down, and in each an order that keeps lines short."""
    rooms = _rooms(drawn)
    lines = sorted({line for a, b in drawn.arrows for line in _chain(rooms, a, b, _implied(drawn, a, b))})
    spots = sorted({*rooms.values(), *(spot for line in lines for spot in line[:2])})
    heights = [max(spot.height for spot in group) for _, group in groupby(spots, lambda spot: spot.layer)]
    bottoms = [HEAD + sum(heights[: n + 1]) + GAP * n for n in range(len(heights))]
    tops = [bottom - height for bottom, height in zip(bottoms, heights, strict=True)]
    return Plan(lines, _settled(spots, lines), tops, bottoms)


def _rooms(drawn: House) -> dict[str, Spot]:
    """Each room's spot: those of the lower storey's packages stand below the last of the upper one's."""
    spots: dict[str, Spot] = {}
    for storey in sorted(set(STOREYS.values())):
        first = 1 + max((spot.layer for spot in spots.values()), default=-1)
        for package in [package for package in PACKAGES if STOREYS[package] == storey]:
            own = {key: room for key, room in drawn.rooms.items() if key.partition("/")[0] == package}
            depth = depths(own, {pair: n for pair, n in drawn.arrows.items() if own.keys() >= set(pair)})
            spots |= {key: _spot(key, room, first + depth[key]) for key, room in own.items()}
    return spots


def _spot(key: str, room: Room, layer: int) -> Spot:
    letters = max(1.25 * len(room.title) + len(_size(room)), *map(len, room.names))
    width, height = 2 * PAD + LETTER * letters, PAD + LINE * (1 + len(room.names))
    return Spot(layer, key.partition("/")[0], key, "", width, height)


def _size(*rooms: Room) -> str:
    count = sum(len(room.files) for room in rooms)
    return f"{count} file{'s' * (count > 1)}"


def _implied(drawn: House, a: str, b: str) -> bool:
    """Whether `a` imports `b` by way of another room as well."""
    graph = {key: [end for start, end in drawn.arrows if start == key] for key in drawn.rooms}
    ways = {other for other in graph[a] if b in reached(graph, other)}
    return not ways <= {b, *reached(graph, b)}


def _chain(rooms: Mapping[str, Spot], a: str, b: str, implied: bool) -> Iterator[Line]:
    """An arrow as lines from layer to layer; the arrows of one colour to one room share what they can of them."""
    upper, lower = sorted((rooms[a], rooms[b]))
    within = "within" if upper.package == lower.package else "between"
    colour = "upward" if upper != rooms[a] else f"{within}, implied" if implied else within
    stairs = min(spot.layer for spot in rooms.values() if STOREYS[spot.package] == STOREYS[lower.package])
    passed = [
        Spot(layer, lower.package if layer >= stairs else upper.package, lower.key, colour)
        for layer in range(upper.layer + 1, lower.layer)
    ]
    yield from ((start, end, colour) for start, end in pairwise([upper, *passed, lower]))


def _settled(spots: list[Spot], lines: list[Line]) -> dict[Spot, float]:
    """Each spot's middle: near those that it has lines to, within its package, beside its neighbours."""
    x = {spot: sum(WALLS[spot.package]) / 2 for spot in spots}
    near: dict[Spot, list[Spot]] = {spot: [] for spot in spots}
    for upper, lower, _ in lines:
        weight = STRAIGHT if upper.colour and lower.colour else 1
        near[upper] += [lower] * weight
        near[lower] += [upper] * weight
    groups = [list(group) for _, group in groupby(spots, lambda spot: (spot.layer, spot.package))]
    for sweep in range(SWEEPS):
        for group in groups if sweep % 2 else groups[::-1]:
            wanted = {spot: sum(x[other] for other in near[spot]) / max(1, len(near[spot])) for spot in group}
            x |= _side_by_side(wanted, *WALLS[group[0].package])
    return x


def _side_by_side(wanted: Mapping[Spot, float], left: float, right: float) -> dict[Spot, float]:
    """The whole pixels nearest to those wanted at which the spots, in that order, do not overlap."""
    spots = sorted(wanted, key=lambda spot: (wanted[spot], spot))
    widths = np.array([spot.width + PAD for spot in spots])
    packed = widths.cumsum() - widths / 2
    free = isotonic_regression([wanted[spot] for spot in spots] - packed).x
    placed = np.clip(free, left + SIDE, right - widths.sum()) + packed
    return dict(zip(spots, np.round(placed).tolist(), strict=True))


# --- drawing it


def draw(drawn: House, output: Path) -> None:
    """Write the picture, as SVG or whatever else the name's ending says."""
    look = {"svg.hashsalt": "stagewright", "svg.fonttype": "none", "font.size": 7.5}
    # Neither a date nor matplotlib's version, so that the same tree gives the same bytes.
    metadata = {"Date": None, "Creator": None} if output.suffix == ".svg" else None
    with plt.style.context(["default", look]):
        figure = _figure(drawn, plan(drawn))
        figure.savefig(output, metadata=metadata, dpi=96)
        plt.close(figure)


def _figure(drawn: House, planned: Plan) -> plt.Figure:
    height = planned.bottoms[-1] + 2 * PAD + FOOT * len(_verdict(drawn))
    figure = plt.figure(figsize=(WIDTH / 96, height / 96))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    _draw_packages(axes, drawn, planned)
    _draw_lines(axes, planned)
    for spot in planned.x:
        if not spot.colour:
            _draw_room(axes, drawn.rooms[spot.key], planned, spot)
    _draw_words(axes, drawn, height)
    return figure


def _box(axes: plt.Axes, corner: tuple[float, float], width: float, height: float, **look: object) -> None:
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0,rounding_size=5", **look))


def _draw_packages(axes: plt.Axes, drawn: House, planned: Plan) -> None:
    for package in PACKAGES:
        spots = [spot for spot in planned.x if spot.package == package and not spot.colour]
        (left, right), top = WALLS[package], planned.tops[spots[0].layer] - PAD
        bottom = planned.bottoms[spots[-1].layer] + PAD
        _box(axes, (left, top), right - left, bottom - top, facecolor=TINTS[package], edgecolor="none")
        axes.text(left + 14, top + 10, package, size=12, weight="bold", rotation=90, va="top", ha="center")
        words = _size(*(drawn.rooms[spot.key] for spot in spots))
        axes.text(left + 14, bottom - 10, words, rotation=90, va="bottom", ha="center")


def _draw_room(axes: plt.Axes, room: Room, planned: Plan, spot: Spot) -> None:
    left, top = planned.x[spot] - spot.width / 2, planned.tops[spot.layer]
    colour = LOOSE_TINT if room.loose else "white"
    _box(axes, (left, top), spot.width, spot.height, facecolor=colour, edgecolor="#555555", zorder=3)
    axes.text(left + PAD, top + LINE, room.title, size=9.5, weight="bold", zorder=4)
    axes.text(left + spot.width - PAD, top + LINE, _size(room), ha="right", color="#555555", zorder=4)
    for number, names in enumerate(room.names):
        axes.text(left + PAD, top + LINE * (number + 2), names, zorder=4)


def _draw_lines(axes: plt.Axes, planned: Plan) -> None:
    leaving, coming = _ports(planned, 0), _ports(planned, 1)
    for line in planned.lines:
        upper, lower, colour = line
        top, bottom = planned.bottoms[upper.layer], planned.tops[lower.layer]
        middle = (top + bottom) / 2
        points = [(leaving[line], y) for y in (planned.tops[upper.layer] + upper.height, top + 5, middle)]
        points += [(coming[line], y) for y in (middle, bottom - 5, bottom)]
        curve = Curve(points, [Curve.MOVETO, Curve.LINETO, *[Curve.CURVE4] * 3, Curve.LINETO])
        end, head = (upper, "<|-") if colour == "upward" else (lower, "-|>")
        look = {"color": COLOURS[colour], "linewidth": 1.3, "mutation_scale": 9}
        axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-" if end.colour else head, **look))


def _ports(planned: Plan, end: int) -> dict[Line, float]:
    """Where along its box's edge each line begins (end 0) or ends (1): in the order of the boxes at its other end."""
    ports = {}
    for spot in planned.x:
        lines = [line for line in planned.lines if line[end] == spot]
        lines.sort(key=lambda line: (planned.x[line[1 - end]], line))
        step = 0 if spot.colour else min(14, spot.width / (len(lines) + 1))
        for number, line in enumerate(lines):
            ports[line] = planned.x[spot] + step * (number - (len(lines) - 1) / 2)
    return ports


def _verdict(drawn: House) -> list[str]:
    """The circles of files in lines of text."""
    found = [f"circle of files: {', '.join(circle)}" for circle in drawn.circles]
    return [line for words in found or ["no circle of files"] for line in textwrap.wrap(words, 200)]


def _draw_words(axes: plt.Axes, drawn: House, height: float) -> None:
    rooms = [room for room in drawn.rooms.values() if not room.loose]
    loose = sum(len(room.files) for room in drawn.rooms.values() if room.loose)
    words = f"{sum(len(room.files) for room in rooms)} files in {len(rooms)} rooms, {loose} in none"
    axes.text(12, 28, words, size=15, weight="bold")
    _box(axes, (410, 15), 28, 13, facecolor=LOOSE_TINT, edgecolor="#555555")
    axes.text(446, 26, f"files in no room, {drawn.among} imports among them", size=9)
    for colour, (left, words) in LEGEND.items():
        axes.plot([left, left + 28], [22, 22], color=COLOURS[colour], linewidth=1.8)
        axes.text(left + 36, 26, words, size=9)
    colour = COLOURS["upward"] if drawn.circles else "black"
    for number, words in enumerate(reversed(_verdict(drawn))):
        axes.text(12, height - FOOT * (number + 0.6), words, size=10, color=colour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "house.svg")
    arguments = parser.parse_args()
    draw(house(arguments.root), arguments.output)


if __name__ == "__main__":
    main()
