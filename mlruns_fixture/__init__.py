"""A small complete registry, made by code: `python -m mlruns_fixture FOLDER`, or `mlruns_fixture.build.build`.

Two versions of a tiny model that names a photo's colour, one in Production and one in Staging, the photos that
code draws, odd ones among them, and the golden scores of both versions.
"""

from .photos import ODD, PLAIN, draw_all
from .tiny import LABELS, PREPROCESS, ColourNet

__all__ = ["LABELS", "ODD", "PLAIN", "PREPROCESS", "ColourNet", "draw_all"]
