"""What a search for photos passes by, and why: by its name, or by what it is."""

from collections.abc import Mapping
from enum import StrEnum


class LeftOut(StrEnum):
    """Why a search passes by what it finds in a folder."""

    LINK = "link"
    LINKED_FOLDER = "linked_folder"
    NOT_REGULAR = "not_regular"
    UNREADABLE = "unreadable"
    NOT_UTF8 = "not_utf8"
    HIDDEN = "hidden"
    OTHER_FORMAT = "other_format"
    ARCHIVE = "archive"
    OTHER_SUFFIX = "other_suffix"


_IN_WORDS: Mapping[str, str] = {
    LeftOut.LINK: "links to files elsewhere",
    LeftOut.LINKED_FOLDER: "linked folders",
    LeftOut.NOT_REGULAR: "not regular files (FIFOs, sockets, devices)",
    LeftOut.UNREADABLE: "folders that cannot be read",
    LeftOut.NOT_UTF8: "names that are not UTF-8",
    LeftOut.HIDDEN: "hidden by their names",
    LeftOut.OTHER_FORMAT: "photos of formats that are not read (JPEG XL, raw, PSD, ...)",
    LeftOut.ARCHIVE: "archives (--input-format tar reads .tar)",
    LeftOut.OTHER_SUFFIX: "with other suffixes",
}
# Of what somebody may have meant as photos, and what nobody has.
_KINDS: Mapping[str, LeftOut] = {
    **dict.fromkeys(("jxl", "jxr", "psd", "svg", "ico", "exr", "dcm", "ppm", "pgm"), LeftOut.OTHER_FORMAT),
    **dict.fromkeys(("cr2", "cr3", "nef", "arw", "dng", "orf", "raf", "rw2"), LeftOut.OTHER_FORMAT),
    **dict.fromkeys(("tar", "tgz", "gz", "bz2", "xz", "zst", "zip", "7z", "rar"), LeftOut.ARCHIVE),
}


def in_words(left_out: Mapping[str, int]) -> str:
    """One line; empty where nothing was left out."""
    return ", ".join(f"{count:,} {_IN_WORDS.get(kind, kind)}" for kind, count in left_out.items() if count)


def other_than(suffixes: tuple[str, ...], name: str) -> LeftOut | None:
    """Why a file of this name is no photo of the suffixes, which have their dots; None where it may be one."""
    if name.lower().endswith(suffixes):
        return None
    return _KINDS.get(name.lower().rpartition(".")[2], LeftOut.OTHER_SUFFIX)


def is_hidden(name: str) -> bool:
    """As InMemoryFileIndex.shouldFilterOutPathName of Spark."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith("._COPYING_")
