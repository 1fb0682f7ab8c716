"""A version's self-test: golden photos and their answers, which a process gives before it is asked about other photos.

Pixels are held to their digests: decoding and resizing are the same whole numbers everywhere. The graph's outputs are
held to a tolerance for each precision, because processors sum in orders of their own; see `packaging.golden_photos`.
"""

import base64
import hashlib
import json
import platform
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..engines import Images, Outputs
from ..engines.device import Device
from ..photos.status import RowFault
from ..transforms.usual_photo import Photo

SELF_TEST = "self-test.json"
FORMAT = 1
# Convolutions on a GPU are of TF32 by torch's default: factors of 10 bits where f32 has 23.
CUDA_TOLERANCE = 2e-2
_LIBRARIES = ("pillow", "numpy", "openvino", "torch")
_SHOWN = 12
# Outputs of a head that was never trained are 0, or what is left of a sum that should be.
_NOTHING = 1e-6

Infer = Callable[[Images], Outputs]

_passed: set[Hashable] = set()
_lock = Lock()


class SelfTestError(RuntimeError):
    """This machine gives other answers than the one where the version was registered; one line says which."""


@dataclass(frozen=True, slots=True)
class Way:
    """One of the ways by which a wrapper makes pixels of photos; `name` as in a message: `Pillow`.

    `decode`: bytes of a photo -> RGB photo, or why not; `prepare`: RGB photo -> uint8 [H, W, 3] as the graph takes it.
    """

    name: str
    decode: Callable[[bytes], Photo | RowFault]
    prepare: Callable[[Photo], Images]


@dataclass(frozen=True, slots=True)
class GoldenPhoto:
    """A photo, and for each choice of decoding what must come out: SHA-256 of pixels, or the status of a fault."""

    name: str
    content: bytes
    decoded: dict[str, str]
    prepared: dict[str, str]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """`outputs`, float32 [K, D] for each precision, are the graph's for the first K photos that can be prepared.

    `tolerances`: how far each may be off, as a share of the largest output. `made_on`: where the answers come from.
    """

    photos: tuple[GoldenPhoto, ...]
    outputs: dict[str, Outputs]
    tolerances: dict[str, float]
    made_on: dict[str, str]

    @classmethod
    def find(cls, graphs: Path) -> "SelfTest | None":
        """What lies beside a version's graphs; None in versions of before. Raises ValueError on another format."""
        file = graphs / SELF_TEST
        if not file.is_file():
            return None
        said = json.loads(file.read_text())
        if said.get("format") != FORMAT:
            raise ValueError(f"{SELF_TEST} is of format {said.get('format')!r}; this code reads {FORMAT}.")
        photos = (
            GoldenPhoto(**{**each, "content": base64.b64decode(each["content"])}) for each in said["photos"]
        )
        outputs = {precision: _floats(text, said["rows"]) for precision, text in said["outputs"].items()}
        return cls(tuple(photos), outputs, said["tolerances"], said["made_on"])

    def write(self, graphs: Path) -> None:
        """Beside a version's graphs."""
        photos = [
            {
                "name": photo.name,
                "content": base64.b64encode(photo.content).decode(),
                "decoded": photo.decoded,
                "prepared": photo.prepared,
            }
            for photo in self.photos
        ]
        outputs = {
            precision: base64.b64encode(found.astype("<f4").tobytes()).decode()
            for precision, found in self.outputs.items()
        }
        rows = max((len(found) for found in self.outputs.values()), default=0)
        said = {
            "format": FORMAT,
            "photos": photos,
            "outputs": outputs,
            "rows": rows,
            "tolerances": self.tolerances,
            "made_on": self.made_on,
        }
        (graphs / SELF_TEST).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")

    def check_pixels(self, way: Way, choice: str) -> list[tuple[str, Images]]:
        """The prepared photos, by name. Raises SelfTestError where a pixel differs."""
        made = []
        for photo in self.photos:
            decoded = way.decode(photo.content)
            self._compare(photo.name, f"decoder ({way.name})", photo.decoded[choice], answer(decoded))
            if not isinstance(decoded, RowFault):
                prepared = way.prepare(decoded)
                self._compare(photo.name, f"transform ({way.name})", photo.prepared[choice], answer(prepared))
                made.append((photo.name, prepared))
        return made

    def check_outputs(
        self, photos: Sequence[tuple[str, Images]], infer: Infer, here: Device, precision: str
    ) -> None:
        """Raises SelfTestError where the graph's outputs are further off than the precision may be.

        `infer`: uint8 [N, H, W, 3] -> what of the outputs is comparable, float32 [N, D].
        """
        expected = self.outputs.get(precision)
        if expected is None or not len(expected):
            return
        tolerance = self.tolerances[precision]
        allowed = max(tolerance, CUDA_TOLERANCE) if here.kind == "cuda" else tolerance
        asked = photos[: len(expected)]
        found = infer(np.stack([image for _, image in asked]))
        for (name, _), mine, theirs in zip(asked, found, expected, strict=True):
            off = relative_difference(theirs, mine)
            if not off <= allowed:  # not a number is no answer
                where = f"engine ({precision} on {here})"
                seen, wanted = (np.array2string(each[:3], precision=4) for each in (mine, theirs))
                raise self._failed(
                    name,
                    where,
                    f"its outputs begin {seen} in place of {wanted}, off by {off:.2g} of the largest; "
                    f"{allowed:.2g} is allowed",
                )

    def _compare(self, name: str, where: str, expected: str, found: str) -> None:
        if expected != found:
            raise self._failed(name, where, f"{found[:_SHOWN]} in place of {expected[:_SHOWN]}")

    def _failed(self, name: str, where: str, what: str) -> SelfTestError:
        here = this_machine()
        names = [key for key in here if here[key] != self.made_on.get(key)]
        seen = ", ".join(f"{key} {here[key]}" for key in names) or "all of the same versions"
        there = ", ".join(f"{key} {self.made_on.get(key)}" for key in names) or "as here"
        return SelfTestError(
            f"This worker gives other answers than the version was registered with, and scores nothing: of the golden "
            f"photo {name!r} the {where} makes another result: {what}. Here: {seen}. Registered with: {there}. Install "
            "the model's requirements.txt on all executors, or register the version again on such a machine."
        )


def once(key: Hashable, test: Callable[[], Any]) -> None:
    """Run a test unless it has passed in this process. Safe in threads."""
    if key in _passed:
        return
    with _lock:
        if key not in _passed:
            test()
            _passed.add(key)


def answer(found: Photo | Images | RowFault) -> str:
    """SHA-256 of shape and pixels, in hex; of a fault its status."""
    if isinstance(found, RowFault):
        return found.status.value
    pixels = np.ascontiguousarray(np.asarray(found))
    return hashlib.sha256(str(pixels.shape).encode() + pixels.data).hexdigest()


def relative_difference(expected: Outputs, found: Outputs) -> float:
    """Of two float32 [D]: the largest difference, as a share of the largest expected output."""
    if expected.shape != found.shape:
        return float("inf")
    largest = max(float(np.abs(expected).max(initial=0)), _NOTHING)
    return float(np.abs(expected - found).max(initial=0)) / largest


def this_machine() -> dict[str, str]:
    """Processor, Python and what else has a say in an answer."""
    found = {name: text for name in _LIBRARIES if (text := _version(name))}
    return {"processor": _processor(), "python": platform.python_version(), **found}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines: Iterator[str] = iter(cpuinfo.read_text().splitlines() if cpuinfo.is_file() else ())
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _floats(text: str, rows: int) -> Outputs:
    found: Outputs = np.frombuffer(base64.b64decode(text), dtype="<f4").reshape(rows, -1)
    return found
