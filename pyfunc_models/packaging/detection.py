"""A detector's module -> one that gives its candidates: a tensor of one size, whatever is in the photos.

Which of them are detections, non-maximum suppression decides in the worker (`kinds.detector`): what it leaves is of
another length for each photo, which no graph with a dynamic batch can say. The graph keeps, as torchvision does, the
`topk_candidates` best of each class (SSD) or level (RetinaNet), so nothing that could become a detection is lost.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.ssd import SSD

from ..kinds.detector import FIELDS
from ..transforms.preprocess import Preprocess
from ..worker.settings import Value
from .adapting import Adapted
from .errors import PackagingError


def adapt(module: torch.nn.Module, preprocess: Preprocess, labels: Sequence[str] | None) -> Adapted:
    """torchvision's SSD or RetinaNet, or a module that gives candidates itself: float32 [N, K, 6], see `FIELDS`.

    A module of torchvision's normalises, and tells its classes and thresholds; any other has as many classes as
    `labels`. Raises PackagingError on any other, and where the photos that `preprocess` makes are none that it takes.
    """
    if isinstance(module, SSD | RetinaNet):
        _check_photos(module, preprocess)
        kind = _SsdCandidates if isinstance(module, SSD) else _RetinaNetCandidates
        return Adapted(kind(module, preprocess.output_size), _classes(module), _settings(module))
    if labels is None:
        raise PackagingError("A detector of your own needs labels: nothing else says which there are.")
    _check_candidates(module, preprocess)
    return Adapted(_Flat(module), len(labels))


class _Flat(torch.nn.Module):
    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        candidates: torch.Tensor = self.module(images)
        return candidates.flatten(1)


class _Candidates(torch.nn.Module):
    """Float32 [N, 3, H, W] in [0, 1] -> float32 [N, K * 6]; boxes in pixels of the input, within it."""

    mean: torch.Tensor
    std: torch.Tensor
    anchors: torch.Tensor

    def __init__(self, detector: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone, self.head, self.coder = detector.backbone, detector.head, detector.box_coder
        self.most = int(detector.topk_candidates)
        self.size = size
        for name in ("mean", "std"):
            values = torch.tensor(getattr(detector.transform, f"image_{name}")).view(1, 3, 1, 1)
            self.register_buffer(name, values)
        features = _features(detector, size)
        images = ImageList(torch.zeros(1, 3, *size), [size])
        self.register_buffer("anchors", detector.anchor_generator(images, features)[0])
        self.cells = [each.shape[-2] * each.shape[-1] for each in features]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.backbone((images - self.mean) / self.std)
        maps = [features] if isinstance(features, torch.Tensor) else list(features.values())
        found = self.head(maps)
        return self.candidates(found["cls_logits"], found["bbox_regression"]).flatten(1)

    @abstractmethod
    def candidates(self, logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """[N, A, C] and [N, A, 4] -> [N, K, 6]."""

    def boxes(self, codes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
        """As torchvision's BoxCoder.decode_single and clip_boxes_to_image, for a batch: [N, …, 4] -> [N, …, 4]."""
        low, high = anchors[..., :2], anchors[..., 2:]
        extent = high - low
        centre = low + 0.5 * extent
        wx, wy, ww, wh = self.coder.weights
        shift = codes[..., :2] / torch.tensor([wx, wy])
        growth = torch.clamp(codes[..., 2:] / torch.tensor([ww, wh]), max=self.coder.bbox_xform_clip)
        centre, half = shift * extent + centre, 0.5 * (torch.exp(growth) * extent)
        height, width = self.size
        corners = torch.cat([centre - half, centre + half], dim=-1).clamp(min=0)
        return torch.minimum(corners, torch.tensor([width, height, width, height], dtype=torch.float32))


class _SsdCandidates(_Candidates):
    """Of each class but the first, which is the background, the best by softmax."""

    def candidates(self, logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        boxes = self.boxes(codes, self.anchors)
        by_class = torch.softmax(logits, dim=-1)[..., 1:].transpose(1, 2)
        scores, at = by_class.topk(min(self.most, by_class.shape[-1]), dim=-1)
        classes = torch.arange(1, by_class.shape[1] + 1, dtype=torch.float32)
        labels = classes.view(1, -1, 1).expand_as(scores).flatten(1)
        return _joined(_taken(boxes, at.flatten(1)), scores.flatten(1), labels)


class _RetinaNetCandidates(_Candidates):
    """Of each level of the pyramid the best pairs of anchor and class, by sigmoid."""

    def candidates(self, logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        classes = logits.shape[-1]
        of_cell = self.anchors.shape[0] // sum(self.cells)
        sizes = [cells * of_cell for cells in self.cells]
        parts = []
        levels = zip(
            *(torch.split(each, sizes, dim=-2) for each in (logits, codes, self.anchors)), strict=True
        )
        for level, code, anchors in levels:
            pairs = torch.sigmoid(level).flatten(1)
            scores, at = pairs.topk(min(self.most, pairs.shape[1]), dim=1)
            place = torch.div(at, classes, rounding_mode="floor")
            boxes = self.boxes(_taken(code, place), anchors[place])
            parts.append(_joined(boxes, scores, (at - place * classes).to(torch.float32)))
        return torch.cat(parts, dim=1)


def _taken(rows: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """[N, A, 4] and indices [N, K] -> [N, K, 4]."""
    return torch.gather(rows, 1, at.unsqueeze(-1).expand(-1, -1, 4))


def _joined(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.cat([boxes, scores.unsqueeze(-1), labels.unsqueeze(-1)], dim=-1)


def _features(detector: Any, size: tuple[int, int]) -> list[torch.Tensor]:
    """What the backbone makes of a photo of this size, for the shapes of it; the module stays as it was."""
    training = detector.training
    detector.eval()
    try:
        with torch.no_grad():
            found = detector.backbone(torch.zeros(1, 3, *size))
    finally:
        detector.train(training)
    return [found] if isinstance(found, torch.Tensor) else list(found.values())


def _check_photos(module: Any, preprocess: Preprocess) -> None:
    height, width = preprocess.output_size
    if (preprocess.mean, preprocess.std) != ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        raise PackagingError(
            f"torchvision's {type(module).__name__} normalises itself; leave out mean and std."
        )
    fixed = module.transform.fixed_size
    if fixed is not None and (width, height) != tuple(fixed):
        raise PackagingError(
            f"This {type(module).__name__} takes photos of {fixed[1]} x {fixed[0]} pixels, not of {height} x {width}: "
            f"--resize {fixed[1]}x{fixed[0]}, or Preprocess(resize=({fixed[1]}, {fixed[0]}))."
        )
    step = int(module.transform.size_divisible)
    if fixed is None and (height % step or width % step):
        raise PackagingError(
            f"This {type(module).__name__} takes photos whose height and width are multiples of {step}, and gets "
            f"{height} x {width}."
        )


def _check_candidates(module: torch.nn.Module, preprocess: Preprocess) -> None:
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            found: Any = module(torch.zeros(2, 3, *preprocess.output_size))
    except Exception as error:  # the module's own code
        raise PackagingError(f"{type(module).__name__} fails on a black photo: {error!r}.") from error
    finally:
        module.train(training)
    shape = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if not isinstance(found, torch.Tensor) or found.dim() != 3 or found.shape[2] != len(FIELDS):
        raise PackagingError(
            f"{type(module).__name__} is neither an SSD nor a RetinaNet of torchvision's, and answers with {shape}, "
            f"not with candidates: float32 [N, K, {len(FIELDS)}], each {', '.join(FIELDS)}, in pixels of the input."
        )


def _classes(module: Any) -> int:
    head = module.head.classification_head
    return int(head.num_classes if hasattr(head, "num_classes") else head.num_columns)


def _settings(module: Any) -> dict[str, Value]:
    return {
        "threshold": float(module.score_thresh),
        "iou_threshold": float(module.nms_thresh),
        "most": int(module.detections_per_img),
    }
