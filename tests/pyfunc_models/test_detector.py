"""Detections are torchvision's own, in the photo's own pixels, whatever was done to it on its way to the graph."""

import io
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.ssd import SSD
from torchvision.ops import batched_nms

from pyfunc_models import Preprocess
from pyfunc_models.kinds.detector import ImageDetector, placed, suppressed
from pyfunc_models.packaging import OwnCode, PackageOptions, PackagingError, package
from pyfunc_models.worker.frames import Frame, frame_of

from . import images

LABELS = ["background", "cat", "dog", "N/A"]


class Backbone(torch.nn.Module):
    """Two maps of 8 channels; deterministic, so that all processes have the same one."""

    def __init__(self, out_channels: int | list[int]) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.first = torch.nn.Conv2d(3, 8, 5, stride=8, padding=2)
        self.second = torch.nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        first = torch.relu(self.first(images))
        return {"0": first, "1": torch.tanh(self.second(first))}


def spread(module: torch.nn.Module) -> torch.nn.Module:
    """Weights that give scores on both sides of the threshold, and boxes that overlap."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "head" in name:
                torch.nn.init.normal_(weight, std=0.15 if weight.dim() > 1 else 0.1)
    return module.eval()


def ssd() -> SSD:
    torch.manual_seed(0)
    boxes = DefaultBoxGenerator([[2], [2]], scales=[0.2, 0.4, 0.7])
    return spread(
        SSD(
            Backbone([8, 8]),
            boxes,
            (96, 64),
            len(LABELS),
            score_thresh=0.3,
            nms_thresh=0.4,
            topk_candidates=40,
        )
    )


def retinanet() -> RetinaNet:
    torch.manual_seed(1)
    anchors = AnchorGenerator(((16, 24), (32, 48)), ((0.5, 1.0),) * 2)
    module = RetinaNet(
        Backbone(8), len(LABELS), min_size=64, max_size=96, anchor_generator=anchors,
        score_thresh=0.4, nms_thresh=0.3, detections_per_img=20, topk_candidates=60,
    )  # fmt: skip
    return spread(module)


SIZE = Preprocess(resize=(64, 96))


def detections(model: Path, photos: list[bytes | None]) -> pd.DataFrame:
    return mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"content": photos}))


def packaged(module: torch.nn.Module, into: Path, preprocess: Preprocess = SIZE, **options) -> Path:
    return package(module, preprocess, LABELS, into=into, options=PackageOptions(kind="detector", **options))


def as_rows(found: list[dict]) -> tuple[list[str], np.ndarray]:
    names = ("xmin", "ymin", "xmax", "ymax", "score")
    return [one["label"] for one in found], np.array([[one[name] for name in names] for one in found])


@pytest.mark.parametrize("make", [ssd, retinanet])
def test_detections_are_those_of_torchvision(make, tmp_path: Path) -> None:
    module = make()
    pictures = [images.photo(96, 64, seed=seed) for seed in range(3)]
    found = detections(
        packaged(module, tmp_path / "model"), [*(images.encode(each, "PNG") for each in pictures), b""]
    )
    assert found["status"].tolist() == ["ok", "ok", "ok", "empty"]
    assert list(found["detections"][3]) == []
    tensors = [torch.from_numpy(np.asarray(each).copy()).permute(2, 0, 1).float() / 255 for each in pictures]
    with torch.no_grad():
        expected = module(tensors)
    for mine, theirs in zip(found["detections"], expected, strict=False):
        labels, numbers = as_rows(mine)
        assert len(labels) > 5
        assert labels == [LABELS[label] for label in theirs["labels"]]
        np.testing.assert_allclose(numbers[:, :4], theirs["boxes"].numpy(), atol=2e-3)
        np.testing.assert_allclose(numbers[:, 4], theirs["scores"].numpy(), atol=1e-5)


def test_boxes_are_in_the_photos_own_pixels_after_its_exif_orientation(tmp_path: Path) -> None:
    turned = Preprocess(resize=(64, 96), orientation="exif")
    model = packaged(ssd(), tmp_path / "model", turned)
    upright = images.photo(96, 64, seed=1).resize((384, 256), Image.Resampling.NEAREST)
    plain = images.encode(upright, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: to be shown, it is turned back
    sideways = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(sideways, "PNG", exif=exif)
    found = detections(
        model, [plain, sideways.getvalue(), images.encode(images.photo(96, 64, seed=1), "PNG")]
    )
    (labels, large), (turned_labels, of_turned), _ = map(as_rows, found["detections"])
    assert labels == turned_labels
    np.testing.assert_allclose(of_turned, large, atol=1e-4)
    assert large[:, 2].max() > 192
    assert large[:, 2].max() <= 384


def test_a_box_in_a_crop_or_a_border_lies_where_it_is_in_the_photo() -> None:
    photo = images.photo(200, 100)
    cropped = frame_of(photo, Preprocess(resize=50, crop=(40, 40)))
    assert cropped == Frame(30, 5, 2.0, 2.0, 200, 100)
    bordered = frame_of(photo, Preprocess(resize=50, max_size=100, crop=(120, 120)))
    assert bordered == Frame(-10, -35, 2.0, 2.0, 200, 100)
    box = np.array([[0, 0, 40, 40, 0.9, 1, 7, 7, 7, 7, 0, 0]], dtype=np.float32)
    assert placed(box, [cropped])[0].tolist() == pytest.approx([60, 10, 140, 90, 0.9, 1, 7, 7, 7, 7, 0, 0])
    assert placed(box, [bordered])[0, :4].tolist() == [0, 0, 60, 10]


def test_what_is_suppressed_is_what_torchvision_suppresses() -> None:
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 90, (400, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(0, 40, (400, 2))], axis=1)
    candidates = np.concatenate(
        [boxes, generator.uniform(size=(400, 1)), generator.integers(0, 3, (400, 1))], axis=1
    ).astype(np.float32)
    kept = batched_nms(*(torch.from_numpy(candidates[:, at]) for at in (slice(4), 4, 5)), 0.5)
    np.testing.assert_array_equal(suppressed(candidates, 0.5, 400), candidates[kept])
    np.testing.assert_array_equal(suppressed(candidates, 0.5, 7), candidates[kept[:7]])


def detector(**settings) -> ImageDetector:
    model = ImageDetector()
    model.settings = {"threshold": 0.5, "iou_threshold": 0.5, "most": 3, **settings}
    model.preprocess = Preprocess(resize=(64, 96))
    return model


def candidates(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array([rows], dtype=np.float32).reshape(1, -1)


def test_agreement_pairs_boxes_of_one_label_by_their_overlap() -> None:
    reference = candidates((0, 0, 10, 10, 0.9, 1), (20, 20, 40, 40, 0.8, 2))
    other = candidates((0, 0, 10, 9, 0.7, 1), (20, 20, 40, 40, 0.8, 1))
    found = ImageDetector.agreement(reference, other)
    assert found == pytest.approx({"agreement": 0.5, "mean_iou": 0.9, "mean_difference": 0.2})
    nothing = candidates((0, 0, 0, 0, 0, 0))
    assert ImageDetector.agreement(nothing, nothing)["agreement"] == 1
    assert ImageDetector.agreement(nothing, reference)["agreement"] == 0


def test_candidates_that_changed_places_are_the_same_to_a_self_test_and_others_are_not() -> None:
    rows = [(3.0 * i, 2.0 * i, 3.0 * i + 9, 2.0 * i + 9, 0.9 - i / 100, i % 4) for i in range(20)]
    model = detector()
    straight, mixed = (model.comparable(candidates(*each)) for each in (rows, rows[1::2] + rows[::2]))
    np.testing.assert_allclose(straight, mixed, atol=1e-6)
    shifted = model.comparable(candidates(*((a + 2, *rest) for a, *rest in rows)))
    assert np.abs(shifted - straight).max() > 1e-3


def test_a_detection_without_a_name_is_told_and_given_none() -> None:
    model = detector()
    model.labels = ["cat"]
    found = model.finish(candidates((0, 0, 1, 1, 0.6, 0), (5, 5, 9, 9, 0.4, 0), (5, 5, 9, 9, np.nan, 0)))
    np.testing.assert_array_equal(model.finish(found), found)
    [[one]] = model.columns(found, {})["detections"]
    assert (one["label"], one["score"]) == ("cat", pytest.approx(0.6))
    with pytest.raises(ValueError, match="found label 3, and there are 1 labels"):
        model.columns(candidates((0, 0, 1, 1, 0.6, 3)), {})


@pytest.mark.parametrize(
    ("module", "preprocess", "options", "said"),
    [
        (ssd, Preprocess(resize=(32, 32)), {}, "photos of 64 x 96 pixels, not of 32 x 32: --resize 64x96"),
        (ssd, Preprocess(resize=(64, 96), mean=(0.5,) * 3), {}, "normalises itself; leave out mean"),
        (retinanet, Preprocess(resize=(60, 96)), {}, "multiples of 32, and gets 60 x 96"),
        (torch.nn.Identity, SIZE, {}, r"Identity is neither .* answers with \[2, 3, 64, 96\], not with cand"),
        (ssd, SIZE, {"own_code": OwnCode(postprocess=np.sqrt)}, "takes no callables of your own"),
        (ssd, SIZE, {"settings": {"most": 0}}, "most is 0; it must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_a_detector_is_refused(module, preprocess, options, said, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=said):
        packaged(module(), tmp_path / "refused", preprocess, **options)
