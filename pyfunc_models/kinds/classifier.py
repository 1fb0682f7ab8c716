"""Image -> label, score and the top k."""

import json
from typing import Any, ClassVar

import numpy as np
from mlflow.types import ColSpec, DataType, ParamSpec
from mlflow.types.schema import Array, Object, Property

from ..engines import Outputs
from ..worker.image_model import LABELS, Column, ImageModel

DEFAULT_TOP_K = 5
# How `label` names a class: by its label, or exactly by its position, as two classes may have one label.
BY_NAME, BY_INDEX = "name", "index"


class ImageClassifier(ImageModel):
    """`label` and `score` of the best class, `top` the k best in falling order; scores are softmax of logits."""

    kind = "classifier"
    labelled = True
    outputs: ClassVar[list[ColSpec]] = [
        ColSpec(DataType.string, "label"),
        ColSpec(DataType.float, "score"),
        ColSpec(
            Array(Object([Property("label", DataType.string), Property("score", DataType.float)])),
            "top",
        ),
    ]
    params: ClassVar[list[ParamSpec]] = [
        ParamSpec("top_k", DataType.long, DEFAULT_TOP_K),
        ParamSpec("label_as", DataType.string, BY_NAME),
    ]

    def load_context(self, context: Any) -> None:
        """Read the labels too, one for each logit."""
        super().load_context(context)
        labels: list[str] = json.loads((self._graphs / LABELS).read_text())
        self.labels = np.array(labels, dtype=object)

    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        """Logits float32 [N, C] -> N labels, scores in [0, 1] and lists of k {label, score}.

        With the param `label_as` `index`, a class is called by its position, such as "134". Equal scores come in
        the order of the classes. Raises ValueError where k is below 1.
        """
        k = int(params.get("top_k") or DEFAULT_TOP_K)
        if k < 1:
            raise ValueError(f"top_k must be 1 or more, not {k}.")
        scores = softmax(outputs)
        classes = top_classes(scores, min(k, scores.shape[1]))
        by_index = params.get("label_as") == BY_INDEX
        labels: Any = classes.astype(str).astype(object) if by_index else self.labels[classes]
        best = np.take_along_axis(scores, classes, axis=1)
        top = [
            [{"label": label, "score": score} for label, score in zip(*row, strict=True)]
            for row in zip(labels.tolist(), best.tolist(), strict=True)
        ]
        return {"label": labels[:, 0], "score": best[:, 0], "top": top}

    def blank(self) -> dict[str, Any]:
        """An empty label, no score, no top."""
        return {"label": "", "score": np.float32("nan"), "top": []}

    @classmethod
    def agreement(cls, reference: Outputs, outputs: Outputs) -> dict[str, float]:
        """Share of photos with the same best class, and how far scores are off.

        Of each photo counts the class whose score differs most: `largest_difference` over the photos, and
        `mean_difference`. A mean over all classes would be nearly 0 whatever happened.
        """
        difference = np.abs(softmax(reference) - softmax(outputs)).max(axis=1)
        return {
            "agreement": float((reference.argmax(axis=1) == outputs.argmax(axis=1)).mean()),
            "largest_difference": float(difference.max()),
            "mean_difference": float(difference.mean()),
        }


def softmax(logits: Outputs) -> Outputs:
    """Float32 [N, C] -> float32 [N, C], rows summing to 1; shifted by the row's maximum, so nothing overflows."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Outputs = shifted / shifted.sum(axis=1, keepdims=True)
    return scores


def top_classes(scores: Outputs, k: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Indices [N, k] of each row's k largest of [N, C], falling; of equal ones the lower index first."""
    if k == scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    # Everything at or above the k-th largest, so that a tie at the border is not cut by partition's whim.
    threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    found = np.empty((len(scores), k), dtype=np.intp)
    for row, (values, least) in enumerate(zip(scores, threshold, strict=True)):
        candidates = np.flatnonzero(values >= least)
        found[row] = candidates[np.argsort(-values[candidates], kind="stable")[:k]]
    return found


MODEL = ImageClassifier
