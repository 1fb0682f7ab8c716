"""`__pycache__`: what Python leaves beside the sources that it imports, told from what somebody else left there.

Python believes a `.pyc` that names its source's size and time, which anybody can write down. So the code in it is
compared with the code that the source compiles to.
"""

import marshal
import re
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path, PurePosixPath

CACHE = "__pycache__"
# PEP 552: the magic number, flags, and the source's time and size or its hash.
_HEADER_BYTES = 16
_OPTIMIZED = {"": 0, "opt-1": 1, "opt-2": 2}


def is_cache(name: str) -> bool:
    """Whether a file of this name is what Python puts beside sources."""
    return PurePosixPath(name).parent.name == CACHE


def is_half_written(name: str) -> bool:
    """Whether it is what another process is about to give its name as a `.pyc`; Python never imports it."""
    return is_cache(name) and re.search(r"\.pyc\.\d+$", name) is not None


def source_of(name: str) -> str | None:
    """`a/__pycache__/b.cpython-311.pyc` -> `a/b.py`; None for any other name, and for another Python's."""
    path = PurePosixPath(name)
    parts = path.name.split(".")
    if path.parent.name != CACHE or parts[-1] != "pyc" or parts[1:2] != [sys.implementation.cache_tag]:
        return None
    return (path.parent.parent / f"{parts[0]}.py").as_posix() if _level(parts) is not None else None


def is_of(cached: Path, source: Path) -> bool:
    """Whether the code in a `.pyc` is what this Python makes of the source."""
    content = cached.read_bytes() if cached.is_file() and not cached.is_symlink() else b""
    if content[: len(MAGIC_NUMBER)] != MAGIC_NUMBER:
        return False
    try:
        code = marshal.loads(content[_HEADER_BYTES:])
    except (EOFError, ValueError, TypeError):
        return False
    level = _level(cached.name.split(".")) or 0
    made = compile(source.read_bytes(), str(source), "exec", dont_inherit=True, optimize=level)
    return bool(code == made)


def _level(parts: list[str]) -> int | None:
    """The level of optimization in `b.cpython-311.opt-1.pyc`, None where it is no such name."""
    return _OPTIMIZED.get(".".join(parts[2:-1]))
