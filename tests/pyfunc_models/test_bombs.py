"""Photos that are made to cost are told by their structure, and those that are read cost what their pixels do."""

import io
import random

import numpy as np
import pytest
from PIL import Image, ImageFile

from pyfunc_models import RowFault, Status, decode
from pyfunc_models.photos import decode as decoding
from pyfunc_models.photos import usual_jpeg
from pyfunc_models.photos.formats import bmp, gif, jpeg, png, tiff

from . import bombs
from .images import encode, exif, photo

SAID = {
    "many TIFF entries": "a directory of more than 4096 entries or 524288 numbers",
    "overlapping arrays": "a directory of more than 4096 entries or 524288 numbers",
    "grey scans": "scans of 64000000 pixels, more than 4000000000 in all",
    "colour scans": "scans of 64000000 pixels, more than 4000000000 in all",
    "BMP of short lines": "81000000 pixels in 37080 bytes of runs, more than 16777216 or 8388608",
    "GIF comment": "more than 65536 blocks before its first picture",
    "GIF extensions": "more than 65536 blocks before its first picture",
    "PNG texts": "more than 131072 chunks",
    "PNG pieces": "more than 131072 chunks",
    "JPEG segments": "more than 4096 segments before its first scan",
    "JPEG fill bytes": "more than 4096 segments before its first scan",
    "HEIC bytes": "bytes, more than 67108864",
    "JPEG 2000 precincts": "code-blocks and precincts, more than 524288",
    "JPEG 2000 tiles": "62500 tiles, more than 8192",
    "JPEG 2000 layers": "65535 layers of",
    "JPEG 2000 of one tile": "a tile of 1325400000 bytes while it is decoded, more than 1073741824",
    "JPEG 2000 parts of tiles": "more than 131072 segments",
    "JPEG 2000 bytes": "bytes, more than 33554432",
}


@pytest.mark.parametrize("name", bombs.REFUSED)
def test_a_photo_that_takes_more_than_its_share_is_too_large_before_it_is_decoded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bombs.REFUSED[name]()
    if "scans" in name:  # which are many only beside the pixels that a plugin finds
        monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    else:
        monkeypatch.setattr(io, "BytesIO", None)  # no plugin gets to see it
    found = decode(content)
    assert isinstance(found, RowFault)
    assert found.status is Status.TOO_LARGE
    assert SAID[name] in found.error


def test_what_goes_around_pillow_is_judged_too() -> None:
    assert usual_jpeg.pixels(bombs.colour_scans()) is None
    assert usual_jpeg.pixels(encode(photo(64, 64), "JPEG", progressive=True)) is not None


def test_many_scans_of_few_pixels_are_read() -> None:
    content = bombs.progressive_scans((64, 64), 300)
    assert isinstance(decode(content), Image.Image)


def test_a_progressive_photo_at_the_limit_of_pixels_may_have_as_many_scans_as_encoders_make() -> None:
    assert decoding.DEFAULT_MAX_PIXELS * 40 < jpeg.MAX_SCANNED_PIXELS
    jpeg.check_pixels(bombs.progressive_scans((9_400, 9_400), 30), 9_400**2)


def test_a_preview_behind_a_photo_is_no_scan_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode(photo(64, 64), "JPEG", progressive=True)
    monkeypatch.setattr(jpeg, "MAX_SCANNED_PIXELS", 64 * 64 * content.count(b"\xff\xda"))
    assert isinstance(decode(content + content * 5), Image.Image)


def test_strips_are_read_one_by_one_and_not_the_rest_of_the_file_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = [0]

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            read[0] += len(found)
            return found

    content = bombs.strips_at_one_offset(strips=2_000, width=300)
    monkeypatch.setattr(io, "BytesIO", Counting)
    found = decode(content)
    assert isinstance(found, Image.Image)
    assert found.size == (300, 2_000)
    # Pillow itself reads up to the end of the file, or 64 kB, for each strip.
    assert read[0] < 3 * len(content) + 2_000 * 65_536


def test_exif_as_large_as_somebody_made_it_is_none() -> None:
    broken = bombs.many_entries(count=60_000, values=4)
    image = photo(32, 16)
    content = encode(image, "PNG", exif=broken)
    plain, found = decode(content), decode(content, orientation="exif")
    assert isinstance(plain, Image.Image)
    assert isinstance(found, Image.Image)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(plain))
    turned = decode(encode(image, "PNG", exif=exif(6)), orientation="exif")
    assert isinstance(turned, Image.Image)
    assert turned.size == (16, 32)


@pytest.mark.parametrize("where", ["_to_rgb", "_readable_format", "_fault"])
def test_a_lack_of_memory_anywhere_is_a_row(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, where, full)
    found = decode(encode(photo(8, 8), "PNG")[: 40 if where == "_fault" else None])
    assert isinstance(found, RowFault)
    assert found.status is Status.TOO_LARGE


def test_ordinary_photos_are_far_from_every_limit() -> None:
    assert (png.MAX_CHUNKS, gif.MAX_BLOCKS, tiff.MAX_VALUES, bmp.MAX_RLE_PIXELS) == (
        2**17,
        2**16,
        2**19,
        2**24,
    )
    large = photo(600, 400)
    for name, options in (
        ("JPEG", {"progressive": True}),
        ("PNG", {"compress_level": 1}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {"comment": b"c" * 60_000}),
        ("JPEG2000", {"tile_size": (64, 64), "codeblock_size": (32, 32), "precinct_size": (128, 128)}),
    ):
        assert isinstance(decode(encode(large, name, **options)), Image.Image), name


@pytest.mark.parametrize("name", sorted(bombs.READ.keys() - {"PNG of one colour", "BMP of short lines"}))
def test_what_only_looks_like_one_is_read(name: str) -> None:
    assert isinstance(decode(bombs.READ[name]()), Image.Image)


def test_a_broken_tiff_says_nothing_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(1)
    whole = encode(photo(64, 48), "TIFF", compression="tiff_lzw")
    faults = 0
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(4):
            content[dice.randrange(8, len(content))] = dice.randrange(256)
        faults += isinstance(decode(bytes(content)), RowFault)
    assert faults > 10
    assert capfd.readouterr().err == ""
