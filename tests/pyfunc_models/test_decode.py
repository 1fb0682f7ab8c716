"""What each kind of photo decodes to, pixel by pixel, and what is said of one that cannot be decoded."""

import io
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageFile

from pyfunc_models import PHOTO_SUFFIXES, Preprocess, RowFault, Status
from pyfunc_models.packaging import golden_photos
from pyfunc_models.photos import containers, formats
from pyfunc_models.photos.decode import Orientation, decode
from pyfunc_models.photos.formats import avif, heic, jpeg2000
from tests.pyfunc_models import images
from tests.pyfunc_models.images import (
    PNG_GREY,
    PNG_GREY_ALPHA,
    PNG_PALETTE,
    PNG_RGB,
    PNG_RGBA,
    TIFF_CIELAB,
    TIFF_FLOAT,
    TIFF_GREY,
    TIFF_RGB,
    TIFF_SIGNED,
    chunk,
    encode,
    flat,
    photo,
    png,
    tiff,
)

Pixel = tuple[int, int, int]

RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)
PALETTE = chunk(b"PLTE", bytes([*RED, *GREEN, *BLUE]))
GREY_16_BIT = (0x0000, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFFFF)
ONE_OF_EACH = images.one_of_each()
NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC, JPEG 2000"


def pixels(content: bytes, orientation: Orientation = "ignore") -> np.ndarray:
    image = decode(content, orientation=orientation)
    assert isinstance(image, Image.Image), image
    assert image.mode == "RGB"
    return np.asarray(image)


def fault(content: bytes | None, **options: int) -> RowFault:
    found = decode(content, **options)  # type: ignore[arg-type]
    assert isinstance(found, RowFault), found
    return found


def grey(*values: int) -> list[Pixel]:
    return [(value, value, value) for value in values]


def packed_16_bit(values: tuple[int, ...], order: str) -> bytes:
    return np.array(values, f"{order}u2").tobytes()


# --- the stated results


GOLDEN = {
    "8-bit grey PNG": (png((3, 1), 8, PNG_GREY, bytes([0, 100, 255])), grey(0, 100, 255)),
    "1-bit grey PNG": (png((4, 1), 1, PNG_GREY, b"\xa0"), grey(255, 0, 255, 0)),
    "2-bit grey PNG": (png((4, 1), 2, PNG_GREY, b"\x1b"), grey(0, 85, 170, 255)),
    "4-bit grey PNG": (png((2, 1), 4, PNG_GREY, b"\x1f"), grey(17, 255)),
    "16-bit grey PNG": (
        png((6, 1), 16, PNG_GREY, packed_16_bit(GREY_16_BIT, ">")),
        grey(0, 0, 1, 127, 128, 255),
    ),
    "16-bit grey PNG with a transparent grey": (
        png((2, 1), 16, PNG_GREY, b"\x12\x34\x80\x00", chunk(b"tRNS", b"\x12\x34")),
        grey(0x12, 0x80),
    ),
    "16-bit RGB PNG": (png((1, 1), 16, PNG_RGB, b"\x12\x34\xff\xff\x80\xff"), [(0x12, 0xFF, 0x80)]),
    "16-bit RGBA PNG": (
        png((1, 1), 16, PNG_RGBA, b"\x12\x34\xff\xff\x80\xff\x00\x00"),
        [(0x12, 0xFF, 0x80)],
    ),
    "16-bit grey PNG with alpha": (png((1, 1), 16, PNG_GREY_ALPHA, b"\x12\x34\x00\x00"), grey(0x12)),
    "palette PNG": (png((4, 1), 8, PNG_PALETTE, b"\0\1\2\0", PALETTE), [RED, GREEN, BLUE, RED]),
    "palette PNG with transparent colours": (
        png((3, 1), 8, PNG_PALETTE, b"\0\1\2", PALETTE, chunk(b"tRNS", b"\x00\x80\xff")),
        [RED, GREEN, BLUE],
    ),
    "2-bit palette PNG": (png((3, 1), 2, PNG_PALETTE, b"\x18", PALETTE), [RED, GREEN, BLUE]),
    "grey PNG with alpha": (png((2, 1), 8, PNG_GREY_ALPHA, bytes([100, 0, 200, 255])), grey(100, 200)),
    "RGBA PNG, wholly transparent": (png((1, 1), 8, PNG_RGBA, bytes([10, 20, 30, 0])), [(10, 20, 30)]),
    "RGB PNG with a transparent colour": (
        png((1, 1), 8, PNG_RGB, bytes([10, 20, 30]), chunk(b"tRNS", b"\0\x0a\0\x14\0\x1e")),
        [(10, 20, 30)],
    ),
    "lossless WebP, wholly transparent": (
        encode(flat((10, 20, 30, 0), "RGBA", (1, 1)), "WEBP", lossless=True, exact=True),
        [(10, 20, 30)],
    ),
    "16-bit grey TIFF, little-endian": (
        tiff((6, 1), [16], TIFF_GREY, packed_16_bit(GREY_16_BIT, "<")),
        grey(0, 0, 1, 127, 128, 255),
    ),
    "16-bit grey TIFF, big-endian": (
        tiff((6, 1), [16], TIFF_GREY, packed_16_bit(GREY_16_BIT, ">"), order=">"),
        grey(0, 0, 1, 127, 128, 255),
    ),
    "8-bit RGB TIFF": (tiff((2, 1), [8, 8, 8], TIFF_RGB, bytes([*RED, *BLUE])), [RED, BLUE]),
    "16-bit RGB TIFF": (
        tiff((1, 1), [16, 16, 16], TIFF_RGB, packed_16_bit((0x1234, 0xFFFF, 0x80FF), "<")),
        [(0x12, 0xFF, 0x80)],
    ),
    "1-bit BMP": (encode(flat(1, "1", (2, 1)), "BMP"), [WHITE, WHITE]),
    "24-bit BMP": (encode(flat((10, 20, 30), size=(1, 1)), "BMP"), [(10, 20, 30)]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_photo_decodes_to_the_pixels_that_its_format_defines(name: str) -> None:
    content, expected = GOLDEN[name]
    assert pixels(content).reshape(-1, 3).tolist() == [list(pixel) for pixel in expected]


# Formulas: JPEG's (JFIF 1.02) for YCbCr, (1 - c)(1 - k) for CMYK, CIE 1976 under D50 for L* = 50: sRGB 119.
GOLDEN_WITHIN_2 = {
    "grey JPEG": (encode(flat(100, "L"), "JPEG"), (100, 100, 100)),
    "RGB JPEG": (encode(flat((200, 100, 50)), "JPEG", quality=95, subsampling=0), (200, 100, 50)),
    "CMYK JPEG, no ink": (encode(flat((0, 0, 0, 0), "CMYK"), "JPEG"), WHITE),
    "CMYK JPEG, red": (encode(flat((0, 255, 255, 0), "CMYK"), "JPEG"), RED),
    "CMYK JPEG, half black": (encode(flat((0, 0, 0, 128), "CMYK"), "JPEG"), (127, 127, 127)),
    "CMYK TIFF, cyan": (encode(flat((255, 0, 0, 0), "CMYK"), "TIFF"), (0, 255, 255)),
    "YCbCr TIFF, red": (encode(flat((76, 85, 255), "YCbCr"), "TIFF"), (254, 0, 0)),
    "LAB TIFF, middle grey": (tiff((1, 1), [8, 8, 8], TIFF_CIELAB, bytes([128, 0, 0])), (119, 119, 119)),
    "lossy WebP": (encode(flat((200, 100, 50)), "WEBP", quality=95), (200, 100, 50)),
}


@pytest.mark.parametrize("name", GOLDEN_WITHIN_2)
def test_a_lossy_or_converted_photo_decodes_to_its_colour_within_2_of_255(name: str) -> None:
    content, expected = GOLDEN_WITHIN_2[name]
    assert np.abs(pixels(content).astype(int) - expected).max() <= 2


def test_an_adobe_cmyk_jpeg_is_stored_inverted_and_read_upright() -> None:
    content = encode(flat((0, 255, 255, 0), "CMYK"), "JPEG")
    assert b"Adobe" in content
    stored = Image.open(io.BytesIO(content))
    stored.tile = [stored.tile[0]._replace(args=("CMYK", ""))]
    assert np.abs(np.asarray(stored)[0, 0].astype(int) - (255, 0, 0, 255)).max() <= 2
    assert np.abs(pixels(content)[0, 0].astype(int) - RED).max() <= 2


@pytest.mark.parametrize(
    ("name", "options"), [("GIF", {}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_of_many_frames_or_pages_the_first_is_read(name: str, options: dict[str, bool]) -> None:
    content = encode(flat(RED), name, save_all=True, append_images=[flat(BLUE), flat(GREEN)], **options)
    assert (pixels(content) == RED).all()


def test_of_a_phones_mpo_the_first_picture_is_read() -> None:
    content = encode(flat(RED), "MPO", save_all=True, append_images=[flat(BLUE)])
    assert np.abs(pixels(content).astype(int) - RED).max() <= 2


def test_a_gif_shows_the_colour_under_its_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putdata([0, 1])
    assert pixels(encode(image, "GIF", transparency=1)).tolist() == [[list(RED), list(GREEN)]]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_pixels_are_those_of_torchvisions_loader(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(Image.open(io.BytesIO(ONE_OF_EACH[name])).convert("RGB"))
    assert np.array_equal(pixels(ONE_OF_EACH[name]), expected)


def test_a_memoryview_decodes_like_its_bytes() -> None:
    content = ONE_OF_EACH["jpeg"]
    found = decode(memoryview(content))
    assert isinstance(found, Image.Image)
    assert np.array_equal(np.asarray(found), pixels(content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("float", tiff((1, 1), [32], TIFF_GREY, bytes(4), sample_format=TIFF_FLOAT)),
        ("32-bit or signed integer", tiff((1, 1), [32], TIFF_GREY, bytes(4), sample_format=TIFF_SIGNED)),
        ("32-bit or signed integer", tiff((1, 1), [16], TIFF_GREY, bytes(2), sample_format=TIFF_SIGNED)),
    ],
    ids=["float", "32-bit", "signed 16-bit"],
)
def test_a_tiff_without_a_known_white_is_unsupported(name: str, content: bytes) -> None:
    assert fault(content) == RowFault(
        Status.UNSUPPORTED,
        f"TIFF of {name} pixels is not supported: nothing says which value is white; "
        "supported are 1 to 16 bits a channel, unsigned",
    )


# --- orientation: a picture stored as ABC/DEF, and how EXIF 2.32 says that it is to be seen

SEEN = {
    1: "ABC/DEF",
    2: "CBA/FED",
    3: "FED/CBA",
    4: "DEF/ABC",
    5: "AD/BE/CF",
    6: "DA/EB/FC",
    7: "FC/EB/DA",
    8: "CF/BE/AD",
}
LETTERS = bytes(range(65, 71))


def letters(found: np.ndarray) -> str:
    return "/".join("".join(chr(pixel[0]) for pixel in row) for row in found)


@pytest.mark.parametrize("orientation", SEEN)
def test_exif_orientation_is_ignored_unless_asked_for(orientation: int) -> None:
    content = png((3, 2), 8, PNG_GREY, LETTERS, chunk(b"eXIf", images.exif(orientation)))
    assert letters(pixels(content)) == "ABC/DEF"
    assert letters(pixels(content, "exif")) == SEEN[orientation]


@pytest.mark.parametrize("name", ["JPEG", "WEBP"])
def test_exif_orientation_of_a_phones_photo_is_applied_when_asked_for(name: str) -> None:
    upright = Image.new("RGB", (64, 32), BLUE)
    upright.paste(RED, (0, 0, 32, 32))
    content = encode(upright, name, exif=b"Exif\0\0" + images.exif(6), quality=95, lossless=True)
    found = pixels(content, "exif")
    assert found.shape == (64, 32, 3)
    assert np.abs(found[:24].astype(int) - RED).max() <= 3
    assert np.abs(found[40:].astype(int) - BLUE).max() <= 3


@pytest.mark.parametrize("asked", ["ignore", "exif"])
@pytest.mark.parametrize("orientation", SEEN)
def test_the_orientation_of_a_tiff_is_applied_once_and_always(orientation: int, asked: Orientation) -> None:
    content = tiff((3, 2), [8], TIFF_GREY, LETTERS, orientation=orientation)
    assert letters(pixels(content, asked)) == SEEN[orientation]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_exif_does_not_know_turns_nothing(orientation: int) -> None:
    content = png((3, 2), 8, PNG_GREY, LETTERS, chunk(b"eXIf", images.exif(orientation)))
    assert letters(pixels(content, "exif")) == "ABC/DEF"


@pytest.mark.parametrize("broken", [b"", b"II", b"II*\0\xff\xff\xff\xff", images.exif(6)[:-6], b"\xff" * 40])
def test_broken_exif_leaves_the_photo_as_it_is_stored(broken: bytes) -> None:
    content = encode(photo(32, 16), "JPEG", exif=b"Exif\0\0" + broken)
    assert np.array_equal(pixels(content, "exif"), pixels(content))


def two_colours() -> Image.Image:
    upright = Image.new("RGB", (64, 32), BLUE)
    upright.paste(RED, (0, 0, 32, 32))
    return upright


def test_the_turn_of_an_avif_is_applied_when_asked_for_and_that_of_a_heic_always() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    avif, heic = (encode(two_colours(), name, exif=turned.tobytes(), quality=95) for name in ("AVIF", "HEIF"))
    assert pixels(avif).shape == (32, 64, 3)
    for found in (pixels(avif, "exif"), pixels(heic), pixels(heic, "exif")):
        assert found.shape == (64, 32, 3)
        assert np.abs(found[:24].astype(int) - RED).max() <= 6


# --- what a machine may lack


def test_without_pillow_heif_a_heic_is_unsupported_and_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    heic._library.cache_clear()
    try:
        for content in (ONE_OF_EACH["heic"], ONE_OF_EACH["heic"][:400]):
            assert fault(content) == RowFault(
                Status.UNSUPPORTED,
                "HEIC is not decoded by this worker, which lacks pillow-heif: pip install pillow-heif, "
                "on every executor",
            )
    finally:
        heic._library.cache_clear()


def test_a_pillow_without_its_optional_decoders_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avif.AvifImagePlugin, "SUPPORTED", False)
    monkeypatch.setattr(jpeg2000.features, "check_codec", lambda name: False)
    for name, library in (("avif", "libavif"), ("jp2", "OpenJPEG")):
        found = fault(ONE_OF_EACH[name])
        assert found.status is Status.UNSUPPORTED
        assert found.error.endswith(f"which lacks a Pillow that was built with {library}")


def test_golden_photos_are_of_formats_that_every_machine_decodes() -> None:
    known = [containers.format_of(content) for content in golden_photos.draw(Preprocess((56, 56))).values()]
    assert all(format is not None and format.lacks is None for format in known)


# --- faults


def test_no_content_is_missing_and_no_bytes_are_empty() -> None:
    assert fault(None) == RowFault(Status.MISSING, "no photo: the content is null")
    assert fault(b"") == RowFault(Status.EMPTY, "no photo: the content has 0 bytes")
    assert decode(memoryview(b"")) == fault(b"")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", sorted(ONE_OF_EACH.keys() - {"mpo", "gif", "apng", "hand-made tiff"}))
def test_a_photo_whose_end_is_missing_is_truncated(name: str, part: float) -> None:
    content = ONE_OF_EACH[name]
    cut = content[: max(3, int(len(content) * part))]
    found = fault(cut)
    assert found.status is Status.TRUNCATED
    assert found.error.endswith(f"is cut off after {len(cut)} bytes")


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_structure_of_a_photo_says_its_format_and_whether_its_end_is_there(name: str) -> None:
    content = ONE_OF_EACH[name]
    format = containers.format_of(content)
    assert format is not None
    last = name.split()[-1]
    expected = {"mpo": "jpeg", "apng": "png", "jp2": "jpeg 2000", "j2k": "jpeg 2000"}.get(last, last)
    assert format.name.lower() == expected
    assert not containers.is_cut_off(format, content)
    assert containers.is_cut_off(format, content[: len(content) // 3])


def test_every_format_is_known_by_its_heads_and_by_the_first_of_their_bytes() -> None:
    # WebP shares its head with every other file of RIFF; AVIF, HEIC and JP2 begin with the size of a box.
    for format in formats.FORMATS:
        for head in format.heads:
            whole = head + b"\0\0\0\0WEBP" if format.name == "WebP" else head + bytes(20)
            assert containers.format_of(whole) is format
            assert containers.starts_like(head[:-2] if head[0] == 0 else head[:2]) == format.name
    assert containers.format_of(b"RIFF\0\0\0\0WAVE") is None
    assert containers.starts_like(b"RX") is None
    assert containers.starts_like(b"\0\0\0") is None


def test_the_suffixes_of_photos_are_those_of_all_formats() -> None:
    usual = {"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"}
    assert set(PHOTO_SUFFIXES) == usual | {"avif", "avifs", "heic", "heif", "hif"} | {
        "jp2",
        "j2k",
        "j2c",
        "jpc",
        "jpf",
        "jpx",
    }
    assert formats.names() == NAMES


def test_frames_after_the_first_may_be_missing() -> None:
    for name in ("gif", "apng", "mpo"):
        content = ONE_OF_EACH[name]
        assert np.array_equal(pixels(content[: int(len(content) * 0.9)]), pixels(content)), name


@pytest.mark.parametrize("name", sorted(ONE_OF_EACH.keys() - {"mpo", "gif", "apng"}))
def test_half_a_photo_is_truncated_even_where_the_process_lets_pillow_fill_it_up(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    content = ONE_OF_EACH[name]
    assert fault(content[: len(content) * 2 // 3]).status is Status.TRUNCATED
    assert isinstance(decode(content), Image.Image)


def test_a_photo_above_max_pixels_is_too_large_and_one_at_it_is_not() -> None:
    content = encode(photo(40, 30), "PNG")
    assert isinstance(decode(content, max_pixels=1200), Image.Image)
    assert fault(content, max_pixels=1199) == RowFault(
        Status.TOO_LARGE, "40 x 30 = 1200 pixels are above the limit of 1199 (--max-pixels)"
    )


def bomb(name: str) -> bytes:
    """A few bytes whose header says 16,000 x 16,000 pixels."""
    size = 16_000
    wide, webp_canvas = size.to_bytes(4, "little"), (size - 1).to_bytes(3, "little") * 2
    return {
        "png": png((size, size), 8, PNG_GREY, b""),
        "gif": b"GIF89a" + wide[:2] * 2 + b"\0\0\0,\0\0\0\0" + wide[:2] * 2 + b"\0\x02\x02\x44\x01\0;",
        "bmp": b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0" + wide * 2 + b"\1\0\x18\0" + bytes(24),
        "tiff": tiff((size, size), [8], TIFF_GREY, b""),
        "webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + webp_canvas + bytes(8),
        "avif": larger(ONE_OF_EACH["avif"], size),
        "heic": larger(ONE_OF_EACH["heic"], size),
        "jp2": larger(ONE_OF_EACH["jp2"], size),
        "jpeg": b"\xff\xd8\xff\xc0\0\x0b\x08" + size.to_bytes(2, "big") * 2 + b"\1\1\x11\0\xff\xda\0\2",
    }[name]


def larger(content: bytes, size: int) -> bytes:
    """The same, with other width and height in its boxes."""
    at = content.index(b"ispe") + 8 if b"ispe" in content else content.index(b"ihdr") + 4
    return content[:at] + size.to_bytes(4, "big") * 2 + content[at + 8 :]


@pytest.mark.parametrize("name", ["png", "gif", "bmp", "tiff", "webp", "jpeg", "avif", "heic", "jp2"])
def test_a_decompression_bomb_is_told_by_its_header(name: str) -> None:
    found = fault(bomb(name))
    assert found.status is Status.TOO_LARGE
    assert "256000000 pixels" in found.error


OTHER_FORMATS = {
    "HEIF": b"\0\0\0\x18ftypmif1\0\0\0\0mif1unif",
    "Canon CR3 raw": b"\0\0\0\x18ftypcrx \0\0\0\1",
    "Canon CR2 raw": b"II*\0\x10\0\0\0CR\2\0",
    "Photoshop PSD": b"8BPS\0\1" + bytes(20),
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PDF": b"%PDF-1.7\n",
    "JPEG XL": b"\xff\x0a" + bytes(20),
    "ICO": b"\0\0\1\0\1\0" + bytes(20),
    "Netpbm": b"P6\n1 1\n255\nabc",
    "DICOM": bytes(128) + b"DICM",
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_another_image_format_is_unsupported_by_name(name: str) -> None:
    assert fault(OTHER_FORMATS[name]) == RowFault(
        Status.UNSUPPORTED, f"{name} is not supported; supported are {NAMES}"
    )


def test_what_is_no_image_is_undecodable_and_says_nothing_of_its_content() -> None:
    assert fault(b"<!DOCTYPE html><title>404</title>") == RowFault(
        Status.UNDECODABLE,
        f"the content begins like no image that is known; supported are {NAMES}",
    )


def test_a_whole_but_broken_photo_is_undecodable_and_says_what_is_wrong() -> None:
    content = bytearray(ONE_OF_EACH["png"])
    content[20] ^= 0xFF
    assert fault(bytes(content)) == RowFault(
        Status.UNDECODABLE,
        f"PNG of {len(content)} bytes cannot be decoded: broken PNG file (bad header checksum in b'IHDR')",
    )


# --- whatever the bytes


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_flipped_and_missing_bytes_give_an_image_or_a_fault_and_nothing_else(name: str) -> None:
    chance = random.Random(name)
    for _ in range(40):
        content = damaged(ONE_OF_EACH[name], chance)
        asked = chance.choice(get_args(Orientation))
        found = decode(content, orientation=asked)
        if isinstance(found, RowFault):
            assert found.status not in (Status.OK, Status.MISSING)
            assert found.error.isprintable()
            assert len(found.error) < 200
            assert " at 0x" not in found.error
            assert decode(content, orientation=asked) == found
        else:
            assert found.mode == "RGB"
            assert len(found.tobytes()) == 3 * found.width * found.height


def damaged(content: bytes, chance: random.Random) -> bytes:
    cut = bytearray(content[: chance.choice([len(content), chance.randrange(1, len(content))])])
    for _ in range(chance.choice([0, 1, 4, 30])):
        cut[chance.randrange(min(len(cut), chance.choice([64, len(cut)])))] = chance.choice(
            [0, 255, chance.randrange(256)]
        )
    return bytes(cut)


def test_threads_leave_the_warning_filters_as_they_found_them() -> None:
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(decode, list(ONE_OF_EACH.values()) * 10))
    assert all(isinstance(image, Image.Image) for image in found)
    assert warnings.filters == before


def test_decoding_and_preprocessing_never_import_torch() -> None:
    code = (
        "import sys, pyfunc_models.photos.decode, pyfunc_models.transforms.preprocess; "
        "assert not {'torch', 'torchvision'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
