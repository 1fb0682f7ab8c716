"""Charts as SVG that stands in the page: no script, no style of its own; the page's colours, light and dark."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence

import pygal
from markupsafe import Markup
from pygal.style import Style

from .text import shown

_WIDTH, _HEIGHT = 560, 240
_LEGEND = 28  # characters, of which two fit beside each other
_DRAWN = frozenset(("g", "rect", "path", "text", "tspan", "line", "circle", "polyline"))
_WITH_DOTS = "reliability"
# What pygal has for whoever points at a chart.
_OVERLAYS = frozenset(("plot overlay", "plot text-overlay", "plot tooltip-overlay"))
Series = Mapping[str, Sequence[float | None]]


def bars(name: str, says: str, labels: Sequence[str], series: Series) -> Markup:
    """Bars side by side for each label; `name` is unique in the page, `says` what a screen reader tells of it."""
    chart = pygal.Bar(**_look(series), x_labels=[shown(label, 12) for label in labels], spacing=4, margin=6)
    if len(labels) > 12:
        chart.config(x_labels_major_every=5, show_minor_x_labels=False)
    return _drawn(chart, name, says, series)


def line(name: str, says: str, points: Sequence[tuple[float, float]], of: str) -> Markup:
    """Points joined by a line, from zero up."""
    most = max((value for _, value in points), default=0.0)
    chart = pygal.XY(**_look({of: ()}), show_dots=False, fill=True, range=(0, most or 1), margin=6)
    chart.add(of, list(points))
    return _svg(chart, name, says)


def reliability(name: str, says: str, points: Sequence[tuple[float, float]]) -> Markup:
    """Accuracy over confidence, both 0 to 1, beside the line on which they are equal."""
    series: Series = {"of these photos": (), "perfectly calibrated": ()}
    look = {**_look(series), "height": 320}
    chart = pygal.XY(**look, range=(0, 1), xrange=(0, 1), margin=6, dots_size=4)
    chart.add("of these photos", list(points))
    chart.add("perfectly calibrated", [(0, 0), (1, 1)], show_dots=False)
    # Its dots lie in an overlay.
    return _svg(chart, name, says, _WITH_DOTS)


def _drawn(chart: "pygal.Graph", name: str, says: str, series: Series) -> Markup:
    for title, values in series.items():
        chart.add(shown(title, _LEGEND), list(values))
    return _svg(chart, name, says)


def _look(series: Mapping[str, object]) -> dict[str, object]:
    style = Style(label_font_size=13, major_label_font_size=13, legend_font_size=13, font_family="sans-serif")
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "style": style,
        "show_legend": len(series) > 1,
        "legend_at_bottom": True,
        "css": (),
        "js": (),
        "disable_xml_declaration": True,
        "max_scale": 6,
        "truncate_legend": _LEGEND,
        "truncate_label": -1,
        "formatter": _number,
        "x_value_formatter": _number,
    }


def _number(value: object) -> str:
    """Of a place on an axis; of a point, which pygal shows when somebody points at it, there is nothing to show."""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else ""


def _svg(chart: "pygal.Graph", name: str, says: str, kind: str = "") -> Markup:
    """What is drawn alone: pygal's scripts, styles, tooltips and comments, which name the day, are left out."""
    chart.uuid = name
    hidden = _OVERLAYS - ({"plot overlay"} if kind == _WITH_DOTS else set())
    tree = chart.render_tree()
    for parent in list(tree.iter()):
        for child in list(parent):
            child.attrib.pop("id", None)
            if child.tag not in _DRAWN or child.get("class") in hidden:
                parent.remove(child)
    tree.set("role", "img")
    tree.set("class", f"{tree.get('class', '')} {kind}".strip())
    tree.set("aria-label", says)
    tree.attrib.pop("id", None)
    # ElementTree escapes what it is given, so that labels stay text.
    return Markup(ElementTree.tostring(tree, encoding="unicode"))
