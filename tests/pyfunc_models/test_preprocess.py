"""A recipe gives torchvision's pixels to the bit, is read from its transforms, and survives JSON."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torchvision import models
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms import transforms as v1

from pyfunc_models import Preprocess, normalize, transform
from pyfunc_models.transforms import resample
from pyfunc_models.transforms.preprocess import resized_size
from tests.pyfunc_models.images import photo

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = Preprocess(resize=256, crop=(224, 224), mean=MEAN, std=STD)

lengths = st.one_of(
    st.integers(1, 40), st.integers(1, 400), st.sampled_from([1, 2, 223, 224, 225, 255, 256, 257])
)
pairs = st.tuples(lengths, lengths)


def expected_pixels(image: Image.Image, spec: Preprocess) -> np.ndarray:
    """The same chain by torchvision's own transforms, on the PIL image."""
    if spec.resize is not None:
        mode = InterpolationMode(spec.interpolation)
        image = v1.Resize(spec.resize, interpolation=mode, max_size=spec.max_size)(image)
    if spec.crop is not None:
        image = v1.CenterCrop(spec.crop)(image)
    return np.asarray(image)


# --- pixels


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    size=pairs,
    resize=st.one_of(st.none(), lengths, pairs),
    crop=pairs,
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
@example(size=(1, 1), resize=256, crop=(224, 224), interpolation="bicubic")
@example(size=(1, 500), resize=256, crop=(224, 224), interpolation="bilinear")
@example(size=(500, 1), resize=256, crop=(224, 224), interpolation="bicubic")
@example(size=(3000, 20), resize=256, crop=(224, 224), interpolation="bicubic")
@example(size=(20, 3000), resize=256, crop=(224, 224), interpolation="bilinear")
@example(size=(1600, 1200), resize=256, crop=(224, 224), interpolation="bilinear")
@example(size=(256, 256), resize=256, crop=(256, 256), interpolation="bilinear")
@example(size=(300, 200), resize=None, crop=(225, 223), interpolation="bilinear")
@example(size=(30, 20), resize=20, crop=(31, 25), interpolation="bicubic")
@example(size=(500, 375), resize=256, crop=(224, 224), interpolation="bilinear")
@example(size=(375, 500), resize=256, crop=(224, 224), interpolation="bicubic")
@example(size=(300, 390), resize=(130, 270), crop=(100, 100), interpolation="bicubic")  # columns first
def test_pixels_are_torchvisions_to_the_bit(
    size: tuple[int, int], resize: Any, crop: tuple[int, int], interpolation: Any
) -> None:
    spec = Preprocess(resize=resize, crop=crop, interpolation=interpolation)
    image = photo(*size)
    found = transform(image, spec)
    assert found.shape == (*spec.output_size, 3) == (*crop, 3)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert np.array_equal(found, expected_pixels(image, spec))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(size=pairs, resize=st.integers(1, 100), more=st.integers(1, 200), crop=pairs)
def test_a_bounded_longer_edge_is_torchvisions_to_the_bit(
    size: tuple[int, int], resize: int, more: int, crop: tuple[int, int]
) -> None:
    spec = Preprocess(resize=resize, max_size=resize + more, crop=crop)
    image = photo(*size)
    assume(max(size) < (resize + more) * min(size))  # else torchvision fails: the shorter edge would be 0
    assert np.array_equal(transform(image, spec), expected_pixels(image, spec))


def test_a_bounded_longer_edge_leaves_one_pixel_where_torchvision_fails() -> None:
    spec = Preprocess(resize=4, max_size=8, crop=(8, 8))
    assert resized_size((500, 1), spec) == (8, 1)
    assert transform(photo(500, 1), spec).shape == (8, 8, 3)


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (20, 3), (224, 224)])
def test_a_resize_to_height_and_width_needs_no_crop(size: tuple[int, int]) -> None:
    spec = Preprocess(resize=(96, 128), interpolation="bicubic")
    found = transform(photo(*size), spec)
    assert found.shape == (96, 128, 3)
    assert np.array_equal(found, expected_pixels(photo(*size), spec))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(size=pairs, resize=lengths, crop=pairs, interpolation=st.sampled_from(["bilinear", "bicubic"]))
def test_a_photo_too_thin_to_be_resized_whole_is_off_by_rounding_only(
    size: tuple[int, int], resize: int, crop: tuple[int, int], interpolation: Any
) -> None:
    spec = Preprocess(resize=resize, crop=crop, interpolation=interpolation)
    image = photo(*size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "MAX_RESIZED_PIXELS", 0)
        found = transform(image, spec)
    off = np.abs(found.astype(int) - expected_pixels(image, spec))
    assert off.mean() < 0.5
    assert off.max() <= 1 or interpolation == "bicubic"


@pytest.mark.parametrize("size", [(1, 65_535), (65_535, 1), (2, 5_000_000)])
def test_a_photo_of_one_pixel_by_many_takes_no_memory_to_speak_of(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 20, 30))
    assert (transform(image, IMAGENET) == (10, 20, 30)).all()


def test_a_photo_that_is_not_rgb_is_refused_with_its_mode() -> None:
    with pytest.raises(ValueError, match="mode 'L'; it takes RGB"):
        transform(Image.new("L", (8, 8)), IMAGENET)


# --- normalisation


@pytest.mark.parametrize(("mean", "std"), [(MEAN, STD), ((0.5,) * 3, (0.5,) * 3), ((0.0,) * 3, (1.0,) * 3)])
def test_normalized_floats_are_torchvisions_to_the_bit(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    spec = Preprocess(crop=(96, 80), mean=mean, std=std)  # type: ignore[arg-type]
    images = np.stack([transform(photo(80, 96, seed), spec) for seed in range(3)])
    found = normalize(images, spec)
    chain = v1.Compose([v1.ToTensor(), v1.Normalize(mean, std)])
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.array_equal(found, np.stack([chain(image).numpy() for image in images]))


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)],
)
def test_normalize_refuses_any_other_dtype_or_shape(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"it takes uint8 \[N, H, W, 3\]"):
        normalize(images, IMAGENET)


# --- reading torchvision's transforms


def weights_of(names: list[str]) -> dict[str, Any]:
    return {str(weights): weights for name in names for weights in models.get_model_weights(name)}


CLASSIFIERS = weights_of(models.list_models(module=models) + models.list_models(module=models.quantization))
OTHERS = {
    name: weights for name, weights in weights_of(models.list_models()).items() if name not in CLASSIFIERS
}
PRESETS = {repr(weights.transforms()): weights for weights in CLASSIFIERS.values()}


def test_every_preset_of_torchvisions_classifiers_is_read() -> None:
    assert len(CLASSIFIERS) > 100
    for name, weights in CLASSIFIERS.items():
        preset = weights.transforms()
        spec = Preprocess.from_torchvision(preset)
        assert spec.output_size == (preset.crop_size[0], preset.crop_size[0]), name


@pytest.mark.parametrize("preset", PRESETS, ids=[str(weights) for weights in PRESETS.values()])
def test_a_preset_gives_the_floats_of_the_preset_itself(preset: str) -> None:
    chain = PRESETS[preset].transforms()
    spec = Preprocess.from_torchvision(chain)
    for image in (photo(500, 375), photo(120, 333)):
        found = normalize(transform(image, spec)[None], spec)
        assert np.array_equal(found[0], chain(image).numpy())


def test_presets_of_other_tasks_are_refused_by_name() -> None:
    assert len(OTHERS) > 20
    for weights in OTHERS.values():
        preset = weights.transforms()
        with pytest.raises(ValueError, match=f"Transform {type(preset).__name__} is not supported"):
            Preprocess.from_torchvision(preset)


CHAINS = {
    "v1 Compose": v1.Compose([v1.Resize(256), v1.CenterCrop(224), v1.ToTensor(), v1.Normalize(MEAN, STD)]),
    "list": [v1.Resize([256]), v1.CenterCrop([224, 224]), v1.ToTensor(), v1.Normalize(list(MEAN), list(STD))],
    "nested": v1.Compose(
        [v1.Compose([v1.Resize(256), v1.CenterCrop(224)]), (v1.ToTensor(), v1.Normalize(MEAN, STD))]
    ),
    "Sequential": nn.Sequential(
        v1.Resize(256),
        nn.Identity(),
        v1.CenterCrop(224),
        v2.PILToTensor(),
        v1.ConvertImageDtype(torch.float32),
        v1.Normalize(torch.tensor(MEAN, dtype=torch.float64), torch.tensor(STD, dtype=torch.float64)),
    ),
    "v2": v2.Compose(
        [
            v2.Resize(256, interpolation=Image.Resampling.BILINEAR, antialias=None),
            v2.CenterCrop(224),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.ToPureTensor(),
        ]
    ),
    "v2, older names": v2.Compose(
        [
            v2.Resize((256,), interpolation="bilinear"),
            v2.CenterCrop((224,)),
            v2.PILToTensor(),
            v2.ConvertImageDtype(),
            v2.Normalize(MEAN, STD),
        ]
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_usual_chain_is_read_from_every_way_of_writing_it(name: str) -> None:
    assert Preprocess.from_torchvision(CHAINS[name]) == IMAGENET


def test_what_a_chain_leaves_out_is_left_out_of_the_recipe() -> None:
    assert Preprocess.from_torchvision([v1.CenterCrop((10, 20)), v1.ToTensor()]) == Preprocess(crop=(10, 20))
    bounded = [v1.Resize(10, max_size=30), v1.CenterCrop(20), v1.ToTensor(), v1.Normalize([0.5], [0.25])]
    assert Preprocess.from_torchvision(bounded) == Preprocess(
        resize=10, max_size=30, crop=(20, 20), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)
    )
    bicubic = [v1.Resize((10, 20), interpolation=InterpolationMode.BICUBIC), v1.ToTensor()]
    assert Preprocess.from_torchvision(bicubic) == Preprocess(resize=(10, 20), interpolation="bicubic")


class Resize(v1.Resize):
    """A subclass may do anything."""


to_float = v2.ToDtype(torch.float32, scale=True)
REFUSED: dict[str, tuple[Any, str]] = {
    "random crop": ([v1.RandomCrop(224), v1.ToTensor()], "Transform RandomCrop is not supported"),
    "padding": ([v1.Pad(3), v1.ToTensor()], "Transform Pad is not supported"),
    "grey": ([v1.Grayscale(3), v1.ToTensor()], "Transform Grayscale is not supported"),
    "lambda": ([v1.Lambda(lambda image: image), v1.ToTensor()], "Transform Lambda is not supported"),
    "function": (lambda image: image, "Transform function is not supported"),
    "subclass": ([Resize(256), v1.ToTensor()], "Transform Resize is not supported"),
    "nothing": (None, "Transform NoneType is not supported"),
    "weights": (
        models.ResNet18_Weights.DEFAULT,
        r"hand over `ResNet18_Weights.IMAGENET1K_V1.transforms\(\)`",
    ),
    "lanczos": (
        [v1.Resize(256, interpolation=InterpolationMode.LANCZOS)],
        "interpolation <InterpolationMode.LANCZOS: 'lanczos'>; supported are bilinear and bicubic",
    ),
    "nearest": ([v2.Resize(256, interpolation=0)], "interpolation 0; supported are bilinear and bicubic"),
    "crop before resize": ([v1.CenterCrop(9), v1.Resize(9)], "Resize comes after CenterCrop"),
    "two resizes": ([v1.Resize(9), v1.Resize(9)], "Resize comes after Resize"),
    "resize of a tensor": ([v2.ToImage(), v2.Resize(9)], "Resize comes after ToImage.* Put Resize before"),
    "crop of a tensor": ([v1.ToTensor(), v1.CenterCrop(9)], "CenterCrop comes after ToTensor"),
    "crop after normalising": ([v1.ToTensor(), v1.Normalize(MEAN, STD), v1.CenterCrop(9)], "after Normalize"),
    "two normalisations": (
        [v1.ToTensor(), *[v1.Normalize(MEAN, STD)] * 2],
        "Normalize comes after Normalize",
    ),
    "no scaling": ([v1.CenterCrop(9), v2.ToImage(), v2.ToDtype(torch.float32)], "scale=False; it must be"),
    "half floats": ([v2.ToImage(), v2.ToDtype(torch.float16, scale=True)], "dtype=torch.float16"),
    "scaling of no tensor": (
        [to_float, v2.ToImage()],
        "ToDtype must come once, after PILToTensor or ToImage",
    ),
    "scaling twice": ([v1.ToTensor(), to_float], "ToDtype must come once"),
    "two conversions": ([v1.ToTensor(), v2.ToImage()], "ToImage comes where the photo is a tensor already"),
    "no conversion": ([v1.CenterCrop(9)], r"does not scale pixels to \[0, 1\]; add ToTensor"),
    "normalising bytes": (
        [v2.ToImage(), v1.Normalize(MEAN, STD)],
        "Normalize must come after the step that scales",
    ),
    "longest edge": (
        [v2.Resize(None, max_size=9), v1.ToTensor()],
        "size=None with max_size=9; size must be given",
    ),
    "no fixed size": (
        [v1.Resize(256), v1.ToTensor()],
        r"resize 256 and no crop .* Add crop=\(height, width\)",
    ),
    "a preset and more": (
        [models.ResNet18_Weights.DEFAULT.transforms(), v1.ToTensor()],
        "after ImageClassification",
    ),
    "more and a preset": ([v1.Resize(9), models.ResNet18_Weights.DEFAULT.transforms()], "must stand alone"),
    "two channels": (
        [v1.CenterCrop(9), v1.ToTensor(), v1.Normalize((0, 0), (1, 1))],
        "it must be 3 finite numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_transform_is_refused_by_name(name: str) -> None:
    chain, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        Preprocess.from_torchvision(chain)


def test_a_refusal_says_what_is_supported_and_how_to_hand_over_ones_own() -> None:
    with pytest.raises(
        ValueError, match=r"Resize \(bilinear or bicubic\), CenterCrop, .* transform= of package"
    ):
        Preprocess.from_torchvision([v1.RandomHorizontalFlip()])


# --- validation

INVALID: dict[str, tuple[Callable[[], Preprocess], str]] = {
    "no size": (Preprocess, "resize None and no crop gives each photo a size of its own"),
    "size by photo": (lambda: Preprocess(resize=256), "resize 256 and no crop"),
    "no pixels": (lambda: Preprocess(crop=(0, 5)), "crop has 0; a length in pixels is an int of at least 1"),
    "half pixels": (lambda: Preprocess(resize=2.5, crop=(5, 5)), "resize has 2.5"),  # type: ignore[arg-type]
    "truth": (lambda: Preprocess(resize=True, crop=(5, 5)), "resize has True"),
    "one length": (lambda: Preprocess(crop=224), r"crop is 224; .* say crop=\(224, 224\)"),  # type: ignore[arg-type]
    "three lengths": (lambda: Preprocess(resize=(1, 2, 3)), r"resize is \(1, 2, 3\)"),  # type: ignore[arg-type]
    "interpolation": (
        lambda: Preprocess(crop=(5, 5), interpolation="nearest"),
        r"interpolation is 'nearest'; it must be one of \['bilinear', 'bicubic'\]",
    ),
    "orientation": (
        lambda: Preprocess(crop=(5, 5), orientation="auto"),  # type: ignore[arg-type]
        r"orientation is 'auto'; it must be one of \['ignore', 'exif'\]",
    ),
    "nan": (lambda: Preprocess(crop=(5, 5), mean=(0, float("nan"), 0)), "mean is .*nan.*3 finite numbers"),
    "zero std": (
        lambda: Preprocess(crop=(5, 5), std=(1, 0, 1)),
        "std is .*each of its 3 numbers must be above 0",
    ),
    "std of zero in float32": (lambda: Preprocess(crop=(5, 5), std=(1, 1e-60, 1)), "must be above 0"),
    "bound without edge": (lambda: Preprocess(resize=(5, 5), max_size=9), "max_size is 9 with resize"),
    "bound below edge": (lambda: Preprocess(resize=9, crop=(5, 5), max_size=9), "must be an int above"),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_impossible_recipe_is_refused_with_the_value_and_what_is_allowed(name: str) -> None:
    build, message = INVALID[name]
    with pytest.raises(ValueError, match=message):
        build()


def test_one_number_for_the_crop_means_a_square() -> None:
    assert Preprocess.of(resize=256, crop=224, mean=MEAN, std=STD) == IMAGENET
    assert Preprocess.of(resize=(9, 7)).output_size == (9, 7)
    assert Preprocess.of(crop=[9, 7]).output_size == (9, 7)


# --- JSON

GOLDEN_JSON = (
    '{"crop":[224,224],"format":1,"interpolation":"bilinear","max_size":null,"mean":[0.485,0.456,0.406],'
    '"orientation":"ignore","resize":256,"std":[0.229,0.224,0.225]}'
)
GOLDEN_DIGEST = "6972f8d56d6625867b6e1782f46a243f3affbfa28610e230c370794d811ad446"


def test_a_recipe_is_saved_as_canonical_json_whose_digest_never_changes() -> None:
    assert IMAGENET.to_json() == GOLDEN_JSON
    assert IMAGENET.digest == GOLDEN_DIGEST


@pytest.mark.parametrize(
    "spec",
    [
        IMAGENET,
        Preprocess(resize=(10, 20), interpolation="bicubic", orientation="exif"),
        Preprocess(resize=10, max_size=20, crop=(5, 6)),
    ],
    ids=repr,
)
def test_a_recipe_comes_back_from_json_as_it_was(spec: Preprocess) -> None:
    again = Preprocess.from_json(spec.to_json())
    assert again == spec
    assert again.digest == spec.digest


def test_equal_recipes_written_differently_have_one_digest() -> None:
    written = Preprocess(resize=[4, 4], mean=[0, 0, 0], std=(1, 1, 1))  # type: ignore[arg-type]
    assert written.digest == Preprocess(resize=(4, 4)).digest
    assert hash(written) == hash(Preprocess(resize=(4, 4)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2; this version of stagewright reads format 1"),
        ({"format": True}, "has format True"),
        ({"format": None}, "has format None"),
        ({"flip": True}, r"unknown keys \['flip'\] and lacks \[\]; its keys are \['crop', "),
        ({"std": None}, "std is None; it must be 3 finite numbers"),
        ({"crop": 224}, "crop is 224"),
    ],
)
def test_json_of_another_format_or_with_other_keys_is_refused(change: dict[str, Any], message: str) -> None:
    text = json.dumps({**json.loads(GOLDEN_JSON), **change})
    with pytest.raises(ValueError, match=message):
        Preprocess.from_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is not JSON"), ("[1]", r"is \[1\]; it must be a JSON object"), ("{}", "has format None")],
)
def test_what_is_no_recipe_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess.from_json(text)


def test_a_field_that_came_later_changes_no_earlier_recipe() -> None:
    earlier = '{"crop":[224,224],"format":1,"interpolation":"bilinear","max_size":null,"mean":[0.0,0.0,0.0],'
    earlier += '"orientation":"ignore","resize":256,"std":[1.0,1.0,1.0]}'
    spec = Preprocess.from_json(earlier)
    assert spec == Preprocess(resize=256, crop=(224, 224))
    assert spec.to_json() == earlier


def test_a_crop_that_is_half_a_pixel_off_begins_one_pixel_before_where_it_is_rounded_down() -> None:
    from pyfunc_models.transforms.preprocess import resized_and_cropped

    found = {
        rounding: resized_and_cropped((7, 9), Preprocess(crop=(4, 4), crop_rounding=rounding))[1]  # type: ignore[arg-type]
        for rounding in ("even", "down")
    }
    assert found == {"even": (2, 2, 6, 6), "down": (1, 2, 5, 6)}
    spec = Preprocess(crop=(4, 4), crop_rounding="down")
    assert Preprocess.from_json(spec.to_json()) == spec
    with pytest.raises(ValueError, match="crop_rounding is 'up'"):
        Preprocess(crop=(4, 4), crop_rounding="up")  # type: ignore[arg-type]
