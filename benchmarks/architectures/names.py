"""All classification models of torchvision, and of each family of timm the smallest by its name."""

import re
from collections.abc import Iterator

# Of timm's families, the smallest by its name.
_SMALL = ("pico", "femto", "atto", "nano", "xxs", "micro", "tiny", "xs", "mini", "small", "s")


def all_names() -> Iterator[str]:
    """`torchvision:…` and `timm:…`, by name."""
    import timm
    import torchvision

    for name in sorted(torchvision.models.list_models(module=torchvision.models)):
        yield f"torchvision:{name}"
    for family in sorted(timm.list_modules()):
        models = [name for name in timm.list_models(module=family) if not name.startswith("test_")]
        if models:
            yield f"timm:{min(models, key=_by_size)}"


def _by_size(name: str) -> tuple[int, list[int | str], str]:
    words = re.split(r"[_\d]+", name)
    rank = next((place for place, word in enumerate(_SMALL) if word in words), len(_SMALL))
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    return rank, [*numbers, len(name)], name
