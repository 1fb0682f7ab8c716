"""What is to be said of a photo format that is read, and how its headers' numbers are."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageFile

Test = Callable[[bytes], bool]


class TooMuch(Exception):
    """What a photo's structure asks of a decoder is more than a photo's share; the message says what."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how errors call it, what its files end in, how its content begins, and what decodes it.

    `heads`: the first bytes; where they alone do not tell, `recognises` does, of a whole content. `is_cut_off`:
    whether the structure says that the end of the first picture is missing; it may run beyond the end. `size`:
    (width, height) from the header, where opening a photo already takes the memory for its pixels.
    `keeps_coefficients`, where the decoder can decode at a smaller scale: whether it holds the whole photo even then.
    `check` raises TooMuch, before anything is decoded, on what keeps a decoder busy for longer than its pixels and
    bytes do; `check_pixels` does, once it is known how many pixels there are. Both may run beyond the end. `lacks`:
    what this machine has to get before it can decode the format; None where it can.
    """

    name: str
    suffixes: tuple[str, ...]
    heads: tuple[bytes, ...]
    plugin: Callable[[io.BytesIO], ImageFile.ImageFile]
    is_cut_off: Test
    recognises: Test | None = None
    size: Callable[[bytes], tuple[int, int]] | None = None
    keeps_coefficients: Test | None = None
    check: Callable[[bytes], None] | None = None
    check_pixels: Callable[[bytes, int], None] | None = None
    lacks: Callable[[], str | None] | None = None

    def begins(self, content: bytes) -> bool:
        """Whether a content is of this format, as its first bytes tell."""
        return self.recognises(content) if self.recognises else content.startswith(self.heads)


def number(content: bytes, at: int, code: str) -> int:
    """The integer at a place, by struct's code. Raises struct.error beyond the end."""
    (found,) = struct.unpack_from(code, content, at)
    assert isinstance(found, int)
    return found
