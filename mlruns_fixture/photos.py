"""Photos that code draws: plain ones of each colour, and odd ones that a job must survive."""

import io
import random
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": (200, 30, 40), "green": (40, 180, 50), "blue": (30, 50, 200), "grey": (128, 128, 128)}
SIZES = ((64, 48), (48, 64), (200, 90))


def _photo(colour: str, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, COLOURS[colour])
    # A stripe, so that a wrong crop or a turned photo changes the scores.
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 4, size[1]), fill=(250, 250, 240))
    return image


def _encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _plain() -> dict[str, bytes]:
    return {
        f"{colour}-{width}x{height}.jpg": _encoded(_photo(colour, (width, height)), "JPEG", quality=90)
        for colour in COLOURS
        for width, height in SIZES
    }


def _odd() -> dict[str, tuple[bytes, str]]:
    red = _photo("red", (64, 48))
    jpeg = _encoded(red, "JPEG")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "grey.png": (_encoded(red.convert("L"), "PNG"), "ok"),
        "palette.gif": (_encoded(red.convert("P"), "GIF"), "ok"),
        "alpha.webp": (_encoded(red.convert("RGBA"), "WEBP", lossless=True), "ok"),
        "cmyk.jpg": (_encoded(red.convert("CMYK"), "JPEG"), "ok"),
        "turned.jpg": (_encoded(red, "JPEG", exif=turned.tobytes()), "ok"),
        "one-pixel.bmp": (_encoded(Image.new("RGB", (1, 1), (30, 50, 200)), "BMP"), "ok"),
        "empty.jpg": (b"", "empty"),
        "cut-off.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "text.jpg": (b"this is no photo at all", "undecodable"),
        "layers.jpg": (b"8BPS\x00\x01" + b"\x00" * 32, "unsupported"),
    }


# File name -> bytes; the name begins with the colour that the model must name.
PLAIN = _plain()
# File name -> (bytes, the status that a job must give it).
ODD = _odd()


def draw_golden(into: Path, count: int, seed: int = 0) -> Path:
    """Write `count` JPEGs of 64 x 48 into a folder and return it: boxes of random colours on random ground."""
    into.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)
    for number in range(count):
        colours = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(4)]
        image = Image.new("RGB", (64, 48), colours[0])
        for colour in colours[1:]:
            left, top = dice.randrange(64), dice.randrange(48)
            box = (left, top, left + dice.randrange(8, 40), top + dice.randrange(8, 40))
            ImageDraw.Draw(image).rectangle(box, fill=colour)
        (into / f"golden-{number:03}.jpg").write_bytes(_encoded(image, "JPEG", quality=90))
    return into


def draw_all(into: Path) -> Path:
    """Write all photos into a folder, plain and odd, and return it."""
    into.mkdir(parents=True, exist_ok=True)
    for name, content in PLAIN.items():
        (into / name).write_bytes(content)
    for name, (content, _) in ODD.items():
        (into / name).write_bytes(content)
    return into
