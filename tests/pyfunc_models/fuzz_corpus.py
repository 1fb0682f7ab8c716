"""Photos to damage: drawn in every mode and format that Pillow writes, made to cost, and public sets of bad ones."""

import random
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import PIL
from PIL import Image

from pyfunc_models import PHOTO_SUFFIXES

from . import bombs, images

BUILD = Path(__file__).parents[2] / "build" / "fuzz"
# Where Debian's gdk-pixbuf-tests and the source of Go keep theirs.
PLACES = (
    "/usr/libexec/installed-tests/gdk-pixbuf",
    "/usr/local/go/src/image",
    "/usr/share/gocode/src/image",
    *map(str, Path("/usr/lib").glob("go-*/src/image")),
    *map(str, Path("/usr/share").glob("go-*/src/image")),
)
SUFFIXES = (*(f".{suffix}" for suffix in PHOTO_SUFFIXES), ".mpo", ".apng")
LARGEST = 4_000_000

_WRITTEN = {
    "JPEG": (
        ("RGB", {}),
        ("L", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"subsampling": 0}),
    ),
    "PNG": tuple((mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    "WEBP": (("RGB", {}), ("RGBA", {}), ("RGB", {"lossless": True}), ("RGBA", {"lossless": True})),
    "GIF": (("1", {}), ("L", {}), ("P", {}), ("RGB", {})),
    "BMP": tuple((mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    "AVIF": (
        ("RGB", {}),
        ("L", {}),
        ("RGBA", {}),
        ("RGB", {"subsampling": "4:4:4"}),
        ("RGB", {"autotiling": True}),
    ),
    "HEIF": (
        ("RGB", {}),
        ("L", {}),
        ("RGBA", {}),
        ("I;16", {}),
        ("RGB", {"tile_size": 16}),
        ("RGB", {"chroma": 444}),
    ),
    "JPEG2000": (
        *((mode, {}) for mode in ("L", "LA", "RGB", "RGBA", "I;16", "CMYK")),
        ("RGB", {"irreversible": True}),
        ("RGB", {"no_jp2": True}),
        ("RGB", {"tile_size": (16, 16), "progression": "RPCL"}),
        ("RGB", {"precinct_size": (32, 32), "codeblock_size": (8, 8), "quality_layers": [30, 20]}),
    ),
    "TIFF": (
        *((mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "F")),
        *(
            ("RGB", {"compression": how})
            for how in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd")
        ),
        *(("1", {"compression": how}) for how in ("group3", "group4")),
    ),
}


def corpus(folders: list[Path]) -> dict[str, bytes]:
    """Name -> bytes; `folders` are searched for photos beside the places of public sets."""
    found = {**images.one_of_each(), **_drawn(), **_small_bombs()}
    for folder in [*folders, *(Path(place) for place in PLACES)]:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size <= LARGEST:
                found[f"{folder.name}/{path.relative_to(folder)}"] = path.read_bytes()
    return found


def pillows_own() -> Path:
    """The folder of bad images in Pillow's source distribution, which is fetched into build/ if it is not there."""
    folder = BUILD / "pillow"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "--no-binary", "pillow", "--no-deps", "--quiet"]
        subprocess.run([*command, "--dest", str(BUILD), f"pillow=={PIL.__version__}"], check=True)
        [archive] = BUILD.glob("pillow-*.tar.gz")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data", members=(m for m in files if "/Tests/images/" in m.name))
    return folder


def _drawn() -> dict[str, bytes]:
    photo = images.photo(48, 40)
    return {
        f"{name} {mode} {options or ''}".rstrip(): images.encode(_converted(photo, mode), name, **options)
        for name, ways in _WRITTEN.items()
        for mode, options in ways
    }


def _converted(photo: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.merge("LAB", photo.split())
    return photo.convert("L").convert(mode) if mode in ("I;16", "F", "LA") else photo.convert(mode)


def _small_bombs() -> dict[str, bytes]:
    return {
        "strips at one offset": bombs.strips_at_one_offset(2_000),
        "compressed strips": bombs.compressed_strips_at_one_offset(20),
        "overlapping arrays": bombs.overlapping_arrays(3_000),
        "many entries": bombs.many_entries(2_000, 500),
        "scans": bombs.progressive_scans((600, 400), 40),
        "colour scans": bombs.colour_scans((600, 400), 20),
        "runs": bombs.rle_bmp(300, 200),
        "comment": bombs.gif_comments(500),
        "texts": bombs.png_texts(100),
        "segments": bombs.jpeg_markers(500),
        "webp chunks": bombs.webp_chunks(200),
        "precincts": bombs.jpeg2000_precincts(300),
        "tiles": bombs.jpeg2000_tiles(600, 8),
    }


# --- damage

_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)


def damaged(photos: list[bytes], dice: random.Random) -> bytes:
    """One of `photos` after one to three kinds of damage."""
    content = bytearray(dice.choice(photos))
    for _ in range(dice.choice((1, 1, 2, 3))):
        content = dice.choice(_DAMAGES)(content, photos, dice)
        if not content:
            break
    found = bytes(content[:LARGEST])
    return with_checksums(found) if dice.random() < 0.5 else found


def _flip(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    for _ in range(dice.choice((1, 1, 4, 30))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return content


def _overwrite(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    """A number that is large, or lies at an edge, in the header or anywhere."""
    for _ in range(dice.choice((1, 2, 6))):
        code = dice.choice(("<H", ">H", "<I", ">I"))
        value = struct.pack(code, dice.choice(_NUMBERS) & (0xFFFF if code[1] == "H" else 0xFFFFFFFF))
        at = dice.randrange(min(len(content), dice.choice((32, 64, 256, len(content)))))
        content[at : at + len(value)] = value
    return content


def _cut(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    return content[: dice.randrange(len(content))]


def _hole(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    at = dice.randrange(len(content))
    return content[:at] + content[at + dice.randrange(1, 64) :]


def _splice(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    other = dice.choice(photos)
    return content[: dice.randrange(len(content))] + other[dice.randrange(len(other)) :]


def _repeat(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    at = dice.randrange(len(content))
    end = at + dice.randrange(1, 200)
    return content[:end] + content[at:end] * dice.choice((1, 10, 300)) + content[end:]


def _larger(content: bytearray, photos: list[bytes], dice: random.Random) -> bytearray:
    """Other width and height, where the header of a format has them."""
    side = dice.choice((0, 1, 3_000, 9_000, 16_383, 65_535))
    for head, places, code in (
        (b"\x89PNG", (16, 20), ">I"),
        (b"GIF", (6, 8), "<H"),
        (b"BM", (18, 22), "<i"),
        (b"RIFF", (26, 28), "<H"),
    ):
        if content.startswith(head) and len(content) > 40:
            for at in places[: dice.choice((1, 2))]:
                struct.pack_into(code, content, at, side)
    frame = next((at for at in map(content.find, (b"\xff\xc0", b"\xff\xc2")) if at > 0), 0)
    # Of AVIF and HEIC, and of JPEG 2000.
    for head, behind in ((b"ispe", 8), (b"\xff\x4f\xff\x51", 8), (b"ihdr", 4)):
        if 0 < (at := content.find(head) + behind) - behind < len(content) - 24:
            struct.pack_into(">II", content, at, side, dice.choice((side, 40)))
    if content[:2] == b"\xff\xd8" and 0 < frame < len(content) - 9:
        struct.pack_into(">HH", content, frame + 5, side, dice.choice((side, 40)))
    return content


_DAMAGES = (_flip, _flip, _overwrite, _overwrite, _cut, _hole, _splice, _repeat, _larger)


def with_checksums(content: bytes) -> bytes:
    """A PNG with right checksums, as far as its chunks go, so that the damage gets past them."""
    return b"".join(_chunks(content)) if content.startswith(images.PNG_SIGNATURE) else content


def _chunks(content: bytes) -> Iterator[bytes]:
    yield images.PNG_SIGNATURE
    at = 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if at + 12 + length > len(content):
            break
        body = content[at + 4 : at + 8 + length]
        yield content[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    yield content[at:]
