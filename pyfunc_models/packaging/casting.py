"""Modules whose weights are of another type than f32, which is what every engine begins with."""

import copy

import torch

from .errors import PackagingError

WHOLE = torch.float32


def as_f32(module: torch.nn.Module) -> tuple[torch.nn.Module, str | None]:
    """The module, or where it has floats of another type a copy in f32 and a word about that.

    Raises PackagingError on a scripted or traced module, and on one that cannot be copied.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise PackagingError(
            "This is a TorchScript module (torch.jit.script or trace), whose code torch.export cannot read. Hand over "
            "the nn.Module that it was made from, and its weights: module.load_state_dict(scripted.state_dict())."
        )
    others = sorted({_name(each) for each in _floats(module) if each.dtype != WHOLE})
    if not others:
        return module, None
    try:
        cast = copy.deepcopy(module).float()
    except Exception as error:  # the module's own code
        raise PackagingError(
            f"The module has weights in {' and '.join(others)} and cannot be copied to be cast: {error!r}. Hand over "
            "module.float()."
        ) from error
    return (
        cast,
        f"The module's weights in {' and '.join(others)} were cast to float32; jobs choose a --precision.",
    )


def _floats(module: torch.nn.Module) -> list[torch.Tensor]:
    return [each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()]


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
