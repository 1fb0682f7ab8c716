"""Image -> what is where in it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from mlflow.types import ColSpec, DataType, ParamSpec
from mlflow.types.schema import Array, Object, Property

from ..engines import Engine, Images, Outputs
from ..engines.device import Device
from ..worker import pipeline, settings
from ..worker.frames import Frame
from ..worker.image_model import LABELS, Column, ImageModel
from ..worker.settings import Setting

FIELDS = ("xmin", "ymin", "xmax", "ymax", "score", "label")
"""Of a candidate and of a detection, in this order; `label` is a position."""
BOX, SCORE, LABEL = slice(0, 4), 4, 5
THRESHOLD, IOU_THRESHOLD, MOST = "threshold", "iou_threshold", "most"
BY_NAME, BY_INDEX = "name", "index"
# Scores that two machines' candidates are compared by; see `comparable`.
COMPARED = 64
# Boxes that overlap so much are of one thing, as PASCAL VOC and COCO have it.
SAME = 0.5

Boxes = npt.NDArray[np.float32]


class ImageDetector(ImageModel):
    """`detections`, best first: label, score, and a box in the photo's own pixels, as it was decoded.

    The graph gives candidates, float32 [N, K * 6]. Detections are those of a score above `threshold`, of which none
    overlaps a better one of its label by more than `iou_threshold`, and `most` at most.
    """

    kind = "detector"
    labelled = True
    has_places = True
    known_settings: ClassVar[tuple[Setting, ...]] = (
        Setting(THRESHOLD, "a number of at least 0 and below 1", lambda value: _is_share(value), 0.05),
        settings.share(IOU_THRESHOLD, 0.5),
        Setting(
            MOST, "a whole number of at least 1", lambda value: isinstance(value, int) and value >= 1, 100
        ),
    )
    outputs: ClassVar[list[ColSpec]] = [
        ColSpec(
            Array(
                Object(
                    [Property("label", DataType.string)]
                    + [Property(name, DataType.float) for name in ("score", *FIELDS[:4])]
                )
            ),
            "detections",
        )
    ]
    params: ClassVar[list[ParamSpec]] = [ParamSpec("label_as", DataType.string, BY_NAME)]

    def load_context(self, context: Any) -> None:
        """Read the labels too."""
        super().load_context(context)
        self.labels: list[str] = json.loads((self._graphs / LABELS).read_text())

    def infer(
        self, contents: Sequence[bytes | None], engine: Engine, here: Device, params: dict[str, Any]
    ) -> pipeline.Scored:
        """Detections float32 [N, most * 6] in the photos' own pixels.

        Candidates are a thousand times as many numbers, so they go batch by batch.
        """
        scored = super().infer(contents, Then(engine, self.finish), here, params)
        if scored.outputs is None:
            return scored
        return replace(scored, outputs=placed(scored.outputs, scored.frames))

    def finish(self, outputs: Outputs) -> Outputs:
        """Candidates [N, K * 6] -> detections [N, most * 6], empty ones at the end; of detections the same again."""
        threshold = np.float32(self.settings[THRESHOLD])
        iou, most = float(self.settings[IOU_THRESHOLD]), int(self.settings[MOST])
        found = np.zeros((len(outputs), most, len(FIELDS)), dtype=np.float32)
        for row, candidates in zip(found, _six(outputs), strict=True):
            kept = suppressed(candidates[candidates[:, SCORE] > threshold], iou, most)
            row[: len(kept)] = kept
        return found.reshape(len(outputs), -1)

    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        """Detections float32 [N, most * 6] -> N lists of {label, score, xmin, ymin, xmax, ymax}."""
        by_index = params.get("label_as") == BY_INDEX
        return {"detections": [self._described(row, by_index) for row in _six(outputs)]}

    def _described(self, detections: Boxes, by_index: bool) -> list[dict[str, Any]]:
        found = []
        for *box, score, label in detections[detections[:, SCORE] > 0].tolist():
            name = str(int(label)) if by_index else self._name(int(label))
            found.append({"label": name, "score": score, **dict(zip(FIELDS[BOX], box, strict=True))})
        return found

    def _name(self, label: int) -> str:
        """Raises ValueError where the graph gives one that has no name: the labels are of another model."""
        if not 0 <= label < len(self.labels):
            raise ValueError(f"The graph found label {label}, and there are {len(self.labels)} labels.")
        return self.labels[label]

    def blank(self) -> dict[str, Any]:
        """Nothing is found."""
        return {"detections": []}

    def comparable(self, outputs: Outputs) -> Outputs:
        """[N, K * 6] -> [N, 70] that say of nearly equal candidates nearly the same: their order is the processor's.

        The best scores, the scores' mean, and the means of box and label by score, each as a share of the largest.
        """
        height, width = self.preprocess.output_size
        candidates = _six(outputs)
        scores = candidates[..., SCORE]
        best = -np.sort(-scores, axis=1)[:, :COMPARED]
        best = np.pad(best, ((0, 0), (0, COMPARED - best.shape[1])))
        weights = scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        largest = np.array([width, height, width, height, 1, max(1, candidates[..., LABEL].max())])
        means = (candidates * weights[..., None]).sum(axis=1) / largest
        return np.concatenate([best, means], axis=1).astype(np.float32)

    @classmethod
    def agreement(cls, reference: Outputs, outputs: Outputs) -> dict[str, float]:
        """How alike the detections are: F1 of those of `outputs` against f32's, with one label and an IoU of 0.5.

        `mean_iou` and `mean_difference`, of scores, are of the pairs.
        """
        pairs: list[tuple[float, float]] = []
        count = 0
        for ours, theirs in zip(_six(outputs), _six(reference), strict=True):
            found, wanted = (each[each[:, SCORE] > 0] for each in (ours, theirs))
            count += len(found) + len(wanted)
            pairs += _pairs(found, wanted)
        overlaps, differences = zip(*pairs, strict=True) if pairs else ((1.0,), (0.0,))
        return {
            "agreement": 2 * len(pairs) / count if count else 1.0,
            "mean_iou": float(np.mean(overlaps)),
            "mean_difference": float(np.mean(differences)),
        }


class Then:
    """An engine whose outputs go through a function, batch by batch; see `engines.Engine`."""

    def __init__(self, engine: Engine, after: Callable[[Outputs], Outputs]) -> None:
        self._engine, self._after = engine, after
        self.slots, self.batch_size = engine.slots, engine.batch_size

    def submit(self, images: Images) -> Callable[[], Outputs]:
        """Start on uint8 [N, H, W, 3]."""
        result = self._engine.submit(images)
        return lambda: self._after(result())


def placed(detections: Outputs, frames: Sequence[Frame | None]) -> Outputs:
    """Detections [N, D * 6] in pixels of the graph's input -> in those of the photos, and within them."""
    found = _six(detections).copy()
    for row, frame in zip(found, frames, strict=True):
        assert frame is not None
        for axis, start, scale, end in (
            (slice(0, 4, 2), frame.left, frame.scale_x, frame.width),
            (slice(1, 4, 2), frame.top, frame.scale_y, frame.height),
        ):
            there = row[:, SCORE] > 0
            row[there, axis] = np.clip((row[there, axis] + start) * scale, 0, end)
    return found.reshape(len(found), -1)


def suppressed(candidates: Boxes, iou: float, most: int) -> Boxes:
    """The best of [K, 6], falling, of which none overlaps a better one of its label by more than `iou`.

    As torchvision.ops.batched_nms, of whose answer the first `most` are taken.
    """
    rest = candidates[np.argsort(-candidates[:, SCORE], kind="stable")]
    kept: list[Boxes] = []
    while len(rest) and len(kept) < most:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        rest = rest[(rest[:, LABEL] != best[LABEL]) | ~(overlaps(best[BOX], rest[:, BOX]) > iou)]
    return np.stack(kept) if kept else candidates[:0]


def overlaps(box: Boxes, boxes: Boxes) -> Boxes:
    """Intersection over union of [4] with each of [K, 4]; not a number where neither has an area."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    with np.errstate(invalid="ignore"):
        found: Boxes = shared / (areas - shared)
    return found


def _pairs(found: Boxes, wanted: Boxes) -> list[tuple[float, float]]:
    """(IoU, difference of scores) of each detection and the best that is left for it, the highest scores first."""
    pairs = []
    left = wanted
    for one in found:
        alike = np.where(left[:, LABEL] == one[LABEL], overlaps(one[BOX], left[:, BOX]), 0)
        if len(left) and (at := int(np.nanargmax(alike))) >= 0 and alike[at] >= SAME:
            pairs.append((float(alike[at]), float(abs(one[SCORE] - left[at, SCORE]))))
            left = np.delete(left, at, axis=0)
    return pairs


def _six(outputs: Outputs) -> Boxes:
    return outputs.reshape(len(outputs), -1, len(FIELDS))


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < 1


MODEL = ImageDetector
