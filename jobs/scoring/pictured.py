"""Photos for a page: opened again where a job took them from, and only what lies there."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..reporting.thumbnails import thumbnails
from ..spark import local_reading
from .sources import IMAGES, Source
from .sources.local_files import folder_of

MAX_PIXELS = 89_478_485


@dataclass(frozen=True, slots=True)
class Pictures:
    """`by_key`: a `data:` address for keys of photos; `missing`: in words, why some have none."""

    by_key: Mapping[str, str]
    missing: str = ""


def pictures(source: Source, keys: Collection[str], max_pixels: int | None = None) -> Pictures:
    """Of photos by their paths, which are to be those of photos that were read well once."""
    if source.format != IMAGES:
        return Pictures(
            {}, "The photos themselves are not files that this page could show: they came from a table."
        )
    if "://" in source.path:
        return Pictures(
            {}, "The photos themselves are in an object store, from which this page fetches nothing."
        )
    inside = _inside(source)
    content = local_reading.content()

    def read(key: str) -> bytes | None:
        path = re.sub("^file:/*", "/", key)
        below = path.startswith(inside) and "/../" not in path and "\0" not in path
        return content(path.encode(errors="surrogateescape")) if below else None

    found = thumbnails(keys, read, max_pixels or MAX_PIXELS)
    missing = len(set(keys) - found.keys())
    return Pictures(
        found, f"{missing:,} of those shown cannot be read from here any more." if missing else ""
    )


def _inside(source: Source) -> str:
    """What the paths of photos begin with, which others may have written; links may lead anywhere if asked for."""
    if source.follow_links:
        return "/"
    root = Path(re.sub("^file:/*", "/", source.path)).absolute()
    return f"{str(root).rstrip('/')}/" if root.is_dir() else folder_of(str(root)).rstrip("/") + "/"
