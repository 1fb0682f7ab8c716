"""`models:/…` references, read and written; talks to no registry."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from registry.errors import InvalidName, InvalidStage, InvalidUri
from registry.versions import Stage

_SCHEME = "models:"
_FORMS = "Write models:/NAME/3, models:/NAME/Production, models:/NAME@alias or models:/NAME/latest."
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]+")
_ALIAS = re.compile(r"[\w-]+")
_NUMBER = re.compile(r"[0-9]+")

# MLflow stores names with these, and then cannot read them back out of a models:/ URI:
# urlparse cuts at `?`, split_models_uri at `@`, and `/` and `:` are refused by its own validation.
_UNWRITABLE = "/:?@"


@dataclass(frozen=True, slots=True)
class Number:
    """The version of this number."""

    value: int


@dataclass(frozen=True, slots=True)
class Alias:
    """The version that this alias points to."""

    value: str


@dataclass(frozen=True, slots=True)
class Latest:
    """The version with the highest number."""


Selector = Number | Stage | Alias | Latest


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A `models:/` reference: says which version is wanted, not which one it is."""

    name: str
    selector: Selector

    def __str__(self) -> str:
        match self.selector:
            case Number(value):
                return f"models:/{self.name}/{value}"
            case Stage():
                return f"models:/{self.name}/{self.selector.value}"
            case Alias(value):
                return f"models:/{self.name}@{value}"
            case Latest():
                return f"models:/{self.name}/latest"

    @classmethod
    def parse(cls, text: str) -> ModelUri:
        """Read a reference as MLflow reads it. Raises InvalidUri or InvalidName."""
        path = _path(text)
        parts = path.split("/")
        if len(parts) > 2:
            raise InvalidUri(f"{text!r} goes on after the version.", _FORMS)
        if len(parts) == 2:
            return cls(checked_name(parts[0]), _suffix(parts[1], text))
        if "@" in path:
            name, alias = path.rsplit("@", 1)
            return cls(checked_name(name), _alias(alias, text))
        raise _one_part(path, text)


def checked_name(name: str) -> str:
    """A name that MLflow stores and can also load by. Raises InvalidName."""
    if not name.strip():
        raise InvalidName("A model needs a name; this one is empty.", _FORMS)
    if found := [char for char in _UNWRITABLE if char in name]:
        raise InvalidName(
            f"The model name {name!r} holds {found[0]!r}, which a models:/ URI cannot carry.",
            f"Use a name without any of {' '.join(_UNWRITABLE)}",
        )
    if posixpath.normpath(name) != name or name in (".", "..") or ("'" in name and '"' in name):
        raise InvalidName(
            f"MLflow cannot look up the model name {name!r}.",
            "Use letters, digits, dots, hyphens and underscores.",
        )
    return name


def _path(text: str) -> str:
    if not text.lower().startswith(_SCHEME):
        raise InvalidUri(f"{text!r} is not a models:/ URI.", _FORMS)
    path = text[len(_SCHEME) :]
    if path.startswith("//"):
        raise InvalidUri(
            f"{text!r} names a registry inside the URI.",
            "Name the registry by MLFLOW_REGISTRY_URI and the model by models:/NAME/….",
        )
    if not path.startswith("/") or path == "/":
        raise InvalidUri(f"{text!r} names no model.", _FORMS)
    return path[1:]


def _suffix(suffix: str, text: str) -> Number | Stage | Latest:
    if _NUMBER.fullmatch(suffix):
        return Number(int(suffix))
    if suffix.lower() == "latest":
        return Latest()
    try:
        return Stage.parse(suffix)
    except InvalidStage as fault:
        raise InvalidUri(
            f"{suffix!r} in {text!r} is neither a version number, nor `latest`, nor a stage.",
            f"{fault.hint} A declared stage is named by its alias, as any alias is: models:/NAME@alias.",
        ) from None


def _alias(alias: str, text: str) -> Alias:
    if not _ALIAS.fullmatch(alias):
        raise InvalidUri(
            f"{alias!r} in {text!r} cannot be an alias: letters, digits, `-` and `_` only.", _FORMS
        )
    return Alias(alias)


def _one_part(path: str, text: str) -> InvalidUri:
    if _LOGGED_MODEL.fullmatch(path):
        return InvalidUri(
            f"{text!r} is the id of a logged model, which has no registered version, stage or history.",
            "Register it with `stagewright register`, then name it as models:/NAME/VERSION.",
        )
    return InvalidUri(f"{text!r} does not say which version.", _FORMS)
