"""Image -> every label that fits."""

import json
from typing import Any, ClassVar

import numpy as np
from mlflow.types import ColSpec, DataType, ParamSpec
from mlflow.types.schema import Array

from ..engines import Outputs
from ..worker import settings
from ..worker.image_model import LABELS, Column, ImageModel
from ..worker.settings import Setting

THRESHOLD = "threshold"
BY_NAME, BY_INDEX = "name", "index"


class ImageMultilabel(ImageModel):
    """`labels` whose probability is at or above the version's threshold, and their `scores`, both in falling order.

    A probability is the sigmoid of a logit. A photo to which no label fits has two empty arrays.
    """

    kind = "multilabel"
    labelled = True
    known_settings: ClassVar[tuple[Setting, ...]] = (settings.share(THRESHOLD, 0.5),)
    outputs: ClassVar[list[ColSpec]] = [
        ColSpec(Array(DataType.string), "labels"),
        ColSpec(Array(DataType.float), "scores"),
    ]
    params: ClassVar[list[ParamSpec]] = [
        ParamSpec("label_as", DataType.string, BY_NAME),
        ParamSpec("all_labels", DataType.boolean, False),
    ]

    def load_context(self, context: Any) -> None:
        """Read the labels too, one for each logit."""
        super().load_context(context)
        self.labels = np.array(json.loads((self._graphs / LABELS).read_text()), dtype=object)

    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        """Logits float32 [N, C] -> N arrays of labels and N of scores in [0, 1], of one length each.

        Equal scores come in the order of the labels. With `label_as` `index` a label is called by its position; with
        `all_labels` each is there, whatever its score, which is what a threshold is measured with.
        """
        scores = sigmoid(outputs)
        order = np.argsort(-scores, axis=1, kind="stable")
        falling = np.take_along_axis(scores, order, axis=1)
        fits = falling >= (0.0 if params.get("all_labels") else self._threshold)
        by_index = params.get("label_as") == BY_INDEX
        names: Any = order.astype(str).astype(object) if by_index else self.labels[order]
        return {
            "labels": [list(row[chosen]) for row, chosen in zip(names, fits, strict=True)],
            "scores": [row[chosen] for row, chosen in zip(falling, fits, strict=True)],
        }

    def blank(self) -> dict[str, Any]:
        """No label, no score."""
        return {"labels": [], "scores": []}

    def agreement(self, reference: Outputs, outputs: Outputs) -> dict[str, float]:
        """How alike the labels are that a photo gets: micro F1 of `outputs` against `reference`, by the threshold.

        `same_labels`: share of photos with the very same. Of each photo counts the label whose probability differs
        most: `largest_difference` and `mean_difference`.
        """
        ours, theirs = sigmoid(outputs), sigmoid(reference)
        chosen, wanted = ours >= self._threshold, theirs >= self._threshold
        either = int(chosen.sum() + wanted.sum())
        difference = np.abs(ours - theirs).max(axis=1)
        return {
            "agreement": 2 * int((chosen & wanted).sum()) / either if either else 1.0,
            "same_labels": float((chosen == wanted).all(axis=1).mean()),
            "largest_difference": float(difference.max()),
            "mean_difference": float(difference.mean()),
        }

    @property
    def _threshold(self) -> np.float32:
        return np.float32(self.settings[THRESHOLD])


def sigmoid(logits: Outputs) -> Outputs:
    """Float32 -> float32 in [0, 1], of the same shape; nothing overflows."""
    small = np.exp(-np.abs(logits))
    scores: Outputs = np.where(logits >= 0, 1, small) / (1 + small)
    return scores


MODEL = ImageMultilabel
