"""Two classifiers in one: a photo is decoded once, and each answers by its own code.

A pair is made on the driver for one comparison. Each of its two artifacts is one version's whole model directory, which
the version's own wrapper verifies, prepares photos for and answers for; this file hands out the photos.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from ..engines import Engine, Images, Outputs
from ..photos import files
from ..photos.status import RowFault, Status
from ..worker import pipeline
from ..worker.choices import ContentChoice
from .side import NO_CLASS, Fault, Side, share_decoder

SIDES = ("a", "b")
# What a side says of a photo, and what it says of one that it cannot answer for: see ImageModel on nulls.
BLANKS: dict[str, tuple[DataType, Any]] = {
    "label": (DataType.string, ""),
    "class_index": (DataType.long, NO_CLASS),
    "score": (DataType.float, float("nan")),
    "status": (DataType.string, Status.OK.value),
    "error": (DataType.string, ""),
}

_Row = tuple[int, bytes | RowFault | None]


class Pair(PythonModel):
    """`content` (binary) in; for each side `X_label`, `X_class_index`, `X_score`, `X_status` and `X_error` out."""

    @classmethod
    def signature(cls) -> ModelSignature:
        """Input `content`; what both sides answer; params `precision`, `batch_size`, `content_as`, `max_pixels`."""
        outputs: list[Any] = [
            ColSpec(kind, f"{side}_{name}") for side in SIDES for name, (kind, _) in BLANKS.items()
        ]
        params = [
            ParamSpec("precision", DataType.string, "f32"),
            ParamSpec("batch_size", DataType.long, 0),
            ParamSpec("content_as", DataType.string, ContentChoice.BYTES.value),
            ParamSpec("max_pixels", DataType.long, 0),
        ]
        return ModelSignature(
            inputs=Schema([ColSpec(DataType.binary, "content")]),
            outputs=Schema(outputs),
            params=ParamSchema(params),
        )

    def load_context(self, context: Any) -> None:
        """Load both versions, each by its own code; the graphs are loaded by the first prediction."""
        roots = [Path(context.artifacts[side]) for side in SIDES]
        self.sides = [Side.load(root) for root in roots]
        self.shared = share_decoder(roots)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """DataFrame with a binary column `content` -> one row for each row; see the class.

        Params: `precision` of both, `batch_size` (0: what suits the device), and `content_as` and `max_pixels` as
        `ImageModel` has them (0: what each version has for a limit).
        """
        given = params or {}
        reader = Reader(self.sides, self.shared, int(given.get("max_pixels") or 0))
        engine = JoinedEngine(
            [side.engine(str(given.get("precision") or "f32")) for side in self.sides], reader
        )
        settings = pipeline.Settings(
            batch_size=int(given.get("batch_size") or engine.batch_size),
            threads=self.sides[0].device.threads,
            size=(reader.pixels, 1),
            fetch=_load if given.get("content_as") == ContentChoice.PATH else None,  # type: ignore[arg-type]
        )
        rows: list[Any] = list(enumerate(model_input["content"]))
        scored = pipeline.score(rows, reader.read, engine, settings)  # type: ignore[arg-type]
        answers: dict[str, Any] = {}
        for number, name in enumerate(SIDES):
            outputs = _by_row(scored, engine, number)
            columns = _columns(self.sides[number], outputs, reader.faults[number], len(rows))
            answers |= {f"{name}_{column}": values for column, values in columns.items()}
        return pd.DataFrame(answers)


def _load(row: tuple[int, bytes | None]) -> _Row:
    number, path = row
    return number, files.load(path)


def _by_row(scored: pipeline.Scored, engine: "JoinedEngine", number: int) -> dict[int, Outputs]:
    if scored.outputs is None:
        return {}
    return dict(zip(scored.rows, engine.parts(scored.outputs)[number], strict=True))


def _columns(
    side: Side, outputs: Mapping[int, Outputs], faults: Mapping[int, Fault], rows: int
) -> dict[str, list[Any]]:
    """What a side says of each row, from its outputs and its faults by row."""
    columns = {name: [blank] * rows for name, (_, blank) in BLANKS.items()}
    good = [row for row in outputs if row not in faults]
    if good:
        answers = side.answers(np.stack([outputs[row] for row in good]))
        for name, values in answers.items():
            for row, value in zip(good, values, strict=True):
                columns[name][row] = value
    for row, fault in faults.items():
        columns["status"][row], columns["error"][row] = fault.status, fault.error
    return columns


class Reader:
    """Reads a photo for all sides; the pixels that they want of it are one strip, one side's after the other's.

    `faults`: for each side, row -> why that side has no pixels.
    """

    def __init__(self, sides: Sequence[Side], shared: bool, max_pixels: int = 0) -> None:
        self.limit = {"max_pixels": max_pixels} if max_pixels else {}  # older versions have no such choice
        self.sides = sides
        self.shared = shared
        # A transform of one's own may look at more than pixels; its version decodes with all that there is.
        self.decoder = next((side for side in sides if side.has_own_transform), sides[0])
        self.faults: list[dict[int, Fault]] = [{} for _ in sides]
        lengths = [height * width for height, width in (side.size for side in sides)]
        ends = np.cumsum(lengths).tolist()
        self.places = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        self.pixels = int(ends[-1])

    def read(self, row: _Row) -> Images | RowFault:
        """(number, bytes or why not) -> uint8 [pixels, 1, 3]; a RowFault where no side has any. Safe in threads."""
        number, content = row
        strip = np.zeros((self.pixels, 1, 3), dtype=np.uint8)
        found = self._found(content)
        for place, faults, pixels in zip(self.places, self.faults, found, strict=True):
            if isinstance(pixels, Fault):
                faults[number] = pixels
            else:
                strip[place] = pixels.reshape(-1, 1, 3)
        if all(isinstance(pixels, Fault) for pixels in found):
            return RowFault(Status.UNSUPPORTED, "see the faults of each side")
        return strip

    def _found(self, content: bytes | RowFault | None) -> list[Images | Fault]:
        if isinstance(content, RowFault):
            return [Fault(content.status.value, content.error) for _ in self.sides]
        if not self.shared:
            return [side.read(content, **self.limit) for side in self.sides]
        photo = self.decoder.decode(content, **self.limit)
        if isinstance(photo, Fault):
            return [photo for _ in self.sides]
        return [side.prepare(photo) for side in self.sides]

    def split(self, strips: Images) -> list[Images]:
        """uint8 [N, pixels, 1, 3] -> for each side uint8 [N, H, W, 3]."""
        return [
            np.ascontiguousarray(strips[:, place]).reshape(len(strips), *side.size, 3)
            for side, place in zip(self.sides, self.places, strict=True)
        ]


class JoinedEngine:
    """Both sides' engines as one, which takes strips; see `engines.Engine`."""

    def __init__(self, engines: Sequence[Engine], reader: Reader) -> None:
        self._engines = engines
        self._reader = reader
        self.slots = min(engine.slots for engine in engines)
        self.batch_size = min(engine.batch_size for engine in engines)
        self._widths: list[int] = []

    def submit(self, images: Images) -> Callable[[], Outputs]:
        """Start both on uint8 [N, pixels, 1, 3]; the function returned gives float32 [N, D of a + D of b]."""
        parts = self._reader.split(images)
        results = self._submitted(parts)

        def result() -> Outputs:
            outputs = [get() for get in results]
            self._widths = [part.shape[1] for part in outputs]
            assert parts  # which the engines read until now
            return np.concatenate(outputs, axis=1)

        return result

    def _submitted(self, parts: Sequence[Images]) -> list[Callable[[], Outputs]]:
        first, second = self._engines
        if first is not second:
            return [engine.submit(part) for engine, part in zip(self._engines, parts, strict=True)]
        # One version beside itself: two batches at once would wait for each other's slots.
        images, half = np.concatenate(parts), len(parts[0])
        both = cache(first.submit(images))

        def result(place: slice) -> Outputs:
            assert images.size  # which the engine reads until now
            return both()[place]

        return [partial(result, slice(half)), partial(result, slice(half, None))]

    def parts(self, outputs: Outputs) -> list[Outputs]:
        """float32 [N, D of a + D of b], as a result gave it, -> for each side float32 [N, D]."""
        return np.split(outputs, np.cumsum(self._widths)[:-1], axis=1)
