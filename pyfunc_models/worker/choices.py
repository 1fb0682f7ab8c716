"""What a job may choose about how photos are read, besides the precision."""

from enum import StrEnum


class DecodeChoice(StrEnum):
    """How much of a JPEG is decoded; `full` is what `reduced`, a half, a quarter or an eighth, is measured against."""

    FULL = "full"
    REDUCED = "reduced"


class ContentChoice(StrEnum):
    """What the column `content` holds: a photo's bytes, or the path of a file that the worker reads."""

    BYTES = "bytes"
    PATH = "path"
