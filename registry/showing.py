"""Tables for notebooks: whatever somebody called a label, a tag or a file is text, and does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Row = Sequence[object]


def table(caption: str, rows: Iterable[Row], header: Row = ()) -> str:
    """An HTML table; each cell is escaped, None is empty, and a float has four digits."""
    head = f"<thead><tr>{_cells(header, 'th')}</tr></thead>" if header else ""
    body = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{head}<tbody>{body}</tbody></table>"


def _cells(row: Row, tag: str) -> str:
    return "".join(f"<{tag}>{escape(_text(cell))}</{tag}>" for cell in row)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
