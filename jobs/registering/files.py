"""Files that a model is made of: weights, and labels."""

import json
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError


def load_weights(module: torch.nn.Module, file: Path) -> None:
    """Put a state_dict into `module`: `.safetensors`, or `.pt`/`.pth` read with weights_only.

    Raises InputError on a file that is no state_dict or does not fit the module, naming the keys.
    """
    try:
        state = _state_dict(file)
        outcome = module.load_state_dict(state, strict=False)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {str(file)!r}.") from error
    except Exception as error:  # torch and safetensors raise many kinds on what is no state_dict
        raise InputError(
            f"{str(file)!r} does not load as the module's state_dict: {_first_lines(error)}"
        ) from error
    if outcome.missing_keys or outcome.unexpected_keys:
        raise InputError(
            f"{str(file)!r} does not fit the architecture: {_some('missing', outcome.missing_keys)}; "
            f"{_some('unexpected', outcome.unexpected_keys)}. Is it another model, or the wrong --arg?"
        )


def _state_dict(file: Path) -> dict[str, Any]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors: dict[str, Any] = load_file(file)
        return tensors
    loaded = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict):
        raise InputError(f"it holds a {type(loaded).__name__}")
    # Training scripts often keep the weights beside the optimizer's state.
    nested = loaded.get("state_dict")
    return nested if isinstance(nested, dict) else loaded


def read_labels(file: Path) -> list[str]:
    """One label a line, or a JSON list. Raises InputError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)!r} cannot be read as labels: {error}.") from error
    if file.suffix == ".json":
        try:
            labels = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{str(file)!r} is not JSON: {error}.") from error
        if not isinstance(labels, list):
            raise InputError(f"{str(file)!r} must hold a JSON list of labels, in the order of the logits.")
        return [str(label) for label in labels]
    return text.splitlines()


def _some(what: str, keys: list[str], most: int = 3) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return f"{len(keys)} {what} ({', '.join(keys[:most])}{more})" if keys else f"none {what}"


def _first_lines(error: Exception, most: int = 3) -> str:
    return " ".join(line.strip() for line in str(error).splitlines()[:most])
