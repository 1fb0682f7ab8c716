"""torchvision's transforms -> the fields of a `Preprocess`.

Transforms are known by module and exact class name: reading them imports neither torch nor torchvision, and a
subclass, which may do anything, is not taken for its parent.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from . import resamplings

SUPPORTED: Final = (
    f"Resize ({' or '.join(resamplings.names())}), CenterCrop, ToTensor (or PILToTensor/ToImage with "
    "ConvertImageDtype/ToDtype(torch.float32, scale=True)) and Normalize, each once at most, in this order; "
    "Compose, Sequential or a list of these; or Weights.transforms() of an image classifier"
)
_OWN: Final = "Anything else can be handed over as a callable of your own: transform= of package()."


@dataclass(slots=True)
class _Chain:
    """What has been read so far."""

    fields: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    is_tensor: bool = False
    is_scaled: bool = False


def read_torchvision(transforms: object) -> dict[str, Any]:
    """The usual chain as arguments of `Preprocess.of`.

    Raises ValueError, with the transform's name and what is supported, on any other.
    """
    chain = _Chain()
    for step in _flatten(transforms):
        _reader(step)(chain, step)
    if not chain.is_scaled:
        raise ValueError(
            f"The chain {chain.done} does not scale pixels to [0, 1]; add ToTensor(), or ToImage() and "
            f"ToDtype(torch.float32, scale=True). {_OWN}"
        )
    return chain.fields


def _flatten(transforms: object) -> Iterator[object]:
    if isinstance(transforms, list | tuple):
        steps: Iterable[object] = transforms
    elif _is_torchvision(transforms) and _name(transforms) == "Compose":
        steps = getattr(transforms, "transforms", ())
    elif type(transforms).__module__ == "torch.nn.modules.container" and _name(transforms) == "Sequential":
        assert isinstance(transforms, Iterable)
        steps = transforms
    else:
        yield transforms
        return
    for step in steps:
        yield from _flatten(step)


def _reader(step: object) -> Callable[[_Chain, Any], None]:
    if isinstance(step, Enum) and hasattr(step.value, "transforms"):
        raise ValueError(f"{step} are weights, not transforms; hand over `{step}.transforms()`.")
    reader = _READERS.get(_name(step)) if _is_torchvision(step) else None
    if reader is None:
        raise ValueError(f"Transform {_name(step)} is not supported; supported are {SUPPORTED}. {_OWN}")
    return reader


def _resize(chain: _Chain, step: Any) -> None:
    _begin(chain, "Resize", before=("CenterCrop",))
    if chain.is_tensor:
        raise ValueError(
            f"Resize comes after {chain.done[-2]}: torchvision resizes tensors to other pixels than "
            f"PIL images, which is the one supported here. Put Resize before the conversion. {_OWN}"
        )
    _set_resize(chain, step.size, step.max_size, step.interpolation)


def _center_crop(chain: _Chain, step: Any) -> None:
    _begin(chain, "CenterCrop", before=())
    if chain.is_tensor:
        raise ValueError(
            f"CenterCrop comes after {chain.done[-2]}; put it before the conversion to a tensor. {_OWN}"
        )
    chain.fields["crop"] = _crop(step.size)


def _to_tensor(chain: _Chain, step: Any) -> None:
    _image_to_tensor(chain, step)
    chain.is_scaled = True


def _image_to_tensor(chain: _Chain, step: Any) -> None:
    _begin(chain, _name(step), before=())
    if chain.is_tensor:
        raise ValueError(f"{_name(step)} comes where the photo is a tensor already: {chain.done}. {_OWN}")
    chain.is_tensor = True


def _scale(chain: _Chain, step: Any) -> None:
    name = _name(step)
    _begin(chain, name, before=())
    if not chain.is_tensor or chain.is_scaled:
        raise ValueError(
            f"{name} must come once, after PILToTensor or ToImage; the chain is {chain.done}. {_OWN}"
        )
    # ConvertImageDtype always scales and has no such attribute.
    if str(step.dtype) != "torch.float32" or not getattr(step, "scale", True):
        raise ValueError(
            f"{name} has dtype={step.dtype} and scale={getattr(step, 'scale', True)}; "
            f"it must be torch.float32 with scale=True. {_OWN}"
        )
    chain.is_scaled = True


def _normalize(chain: _Chain, step: Any) -> None:
    _begin(chain, "Normalize", before=())
    if not chain.is_scaled:
        raise ValueError(
            f"Normalize must come after the step that scales to [0, 1]; the chain is {chain.done}. {_OWN}"
        )
    _set_normalize(chain, step.mean, step.std)


def _preset(chain: _Chain, step: Any) -> None:
    """`Weights.transforms()` as applied to a PIL image, on which its `antialias` has no effect."""
    _begin(chain, "ImageClassification", before=())
    if len(chain.done) > 1:
        raise ValueError(
            f"ImageClassification is a whole chain and must stand alone, not in {chain.done}. {_OWN}"
        )
    _set_resize(chain, step.resize_size, None, step.interpolation)
    chain.fields["crop"] = _crop(step.crop_size)
    chain.is_tensor = chain.is_scaled = True
    _set_normalize(chain, step.mean, step.std)


def _nothing(chain: _Chain, step: Any) -> None:
    """Identity, ToPureTensor and the like: the pixels stay as they are."""


_READERS: Final[dict[str, Callable[[_Chain, Any], None]]] = {
    "Resize": _resize,
    "CenterCrop": _center_crop,
    "ToTensor": _to_tensor,
    "PILToTensor": _image_to_tensor,
    "ToImage": _image_to_tensor,
    "ConvertImageDtype": _scale,
    "ToDtype": _scale,
    "Normalize": _normalize,
    "ImageClassification": _preset,
    "ToPureTensor": _nothing,
    "Identity": _nothing,
}


def _begin(chain: _Chain, name: str, *, before: tuple[str, ...]) -> None:
    """Note the step; refuse a second one of a kind, and one after those that it must come before."""
    late = [done for done in chain.done if done in (*before, name, "Normalize", "ImageClassification")]
    chain.done.append(name)
    if late:
        raise ValueError(f"{name} comes after {late[-1]} in {chain.done}; supported are {SUPPORTED}. {_OWN}")


def _set_resize(chain: _Chain, size: Any, max_size: Any, interpolation: Any) -> None:
    if size is None:
        raise ValueError(f"Resize has size=None with max_size={max_size!r}; size must be given. {_OWN}")
    chain.fields["resize"] = size[0] if isinstance(size, list | tuple) and len(size) == 1 else size
    chain.fields["max_size"] = max_size
    chain.fields["interpolation"] = _interpolation(interpolation)


def _crop(size: Any) -> Any:
    return size[0] if isinstance(size, list | tuple) and len(size) == 1 else size


def _interpolation(value: Any) -> str:
    numbers = {int(resampling.pillow): resampling.name for resampling in resamplings.RESAMPLINGS}
    name = str(numbers.get(value, value) if isinstance(value, int) else getattr(value, "value", value))
    if name not in resamplings.names():
        known = " and ".join(resamplings.names())
        raise ValueError(f"Resize has interpolation {value!r}; supported are {known}. {_OWN}")
    return name


def _set_normalize(chain: _Chain, mean: Any, std: Any) -> None:
    chain.fields["mean"], chain.fields["std"] = _three(mean), _three(std)


def _three(values: Any) -> tuple[float, ...]:
    """One number stands for all three channels, as in torchvision's broadcasting."""
    numbers = tuple(float(value) for value in (values if isinstance(values, Iterable) else (values,)))
    return numbers * 3 if len(numbers) == 1 else numbers


def _is_torchvision(step: object) -> bool:
    module = type(step).__module__
    is_identity = module == "torch.nn.modules.linear" and _name(step) == "Identity"
    return module.startswith("torchvision.transforms.") or is_identity


def _name(step: object) -> str:
    return type(step).__name__
