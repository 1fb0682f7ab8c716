"""Which of a module's answers the outputs are, where it answers with more than one tensor."""

from collections.abc import Mapping
from typing import Any

import torch

LOGITS = "logits"


class NoOutput(ValueError):
    """Which one it is cannot be told; says what there is."""


def chosen(answer: Any, name: str | None = None) -> torch.Tensor:
    """The tensor [N, D] of a module's answer: the answer itself, or one of a dict, ModelOutput, tuple or list.

    `name`: its key, field or index. Without one it is `logits`, or else the only one that is [N, D] of floats. Raises
    NoOutput.
    """
    if isinstance(answer, torch.Tensor):
        return _alone(answer, name)
    named = _named(answer)
    if name is not None:
        found = named.get(name)
    elif LOGITS in named:
        found = named[LOGITS]
    else:
        fitting = [each for each in named.values() if _fits(each)]
        found = fitting[0] if len(fitting) == 1 else None
    if not _fits(found):
        raise NoOutput(_what_there_is(answer, named, name))
    assert isinstance(found, torch.Tensor)
    return found


def _alone(answer: torch.Tensor, name: str | None) -> torch.Tensor:
    if name is not None:
        raise NoOutput(f"The module answers with one tensor, which has no {name!r}; leave out --output.")
    if not _fits(answer):
        raise NoOutput(
            "The module must give one tensor [N, D] of floats for images [N, 3, H, W]; it gives "
            f"{_shown(answer)}. Wrap it in a module that returns the logits or the embedding, flattened to [N, D]."
        )
    return answer


def _named(answer: Any) -> dict[str, Any]:
    """Name -> value of whatever holds several."""
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    if isinstance(answer, tuple | list):
        names = getattr(answer, "_fields", range(len(answer)))
        return {str(name): value for name, value in zip(names, answer, strict=True)}
    return {}


def _fits(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 2 and value.is_floating_point()


def _what_there_is(answer: Any, named: Mapping[str, Any], name: str | None) -> str:
    what = type(answer).__name__
    if not named:
        return (
            f"The module answers with {what}, in which there is no tensor [N, D] to be found. Wrap it in a module that "
            "returns the logits or the embedding, flattened to [N, D]."
        )
    parts = ", ".join(f"{each} ({_shown(value)})" for each, value in named.items())
    asked = f"{name!r} of it is no" if name is not None else "not exactly one of it is a"
    return (
        f"The module answers with {what} of {parts}; {asked} tensor [N, D] of floats. Name one with --output NAME, or "
        "PackageOptions(output=…), or wrap the module."
    )


def _shown(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    # While torch exports, the batch has no number.
    shape = ", ".join(str(edge) if isinstance(edge, int) else "N" for edge in value.shape)
    return f"{str(value.dtype).removeprefix('torch.')} [{shape}]"
