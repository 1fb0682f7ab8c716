"""A folder on disk that holds a model: its JSON files, and its weights as safetensors."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_JSON_BYTES = 16 * 1024 * 1024
_SHARD = re.compile(r"[A-Za-z0-9][\w.-]*\.safetensors")


@dataclass(frozen=True, slots=True)
class Saved:
    """The folder, whose files are there and of the right kind; `config` is what `config.json` says."""

    folder: Path
    config: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Saved":
        """Raises InputError on what is missing, pickled, or would have code of the folder's run."""
        if not folder.is_dir():
            raise InputError(
                f"There is no folder {str(folder)!r}. Download the model first: nothing is fetched here."
            )
        found = cls(folder.resolve(), read_json(folder / CONFIG))
        if "auto_map" in found.config:
            raise InputError(
                f"{str(found.config_file)!r} has auto_map: the model is code that came with it, which is not run. "
                "Import it yourself, and use --architecture and --weights."
            )
        if (folder / "adapter_config.json").exists():
            raise InputError(f"{str(folder)!r} holds an adapter, not a model. Merge it, and save the whole.")
        found._check_weights()
        return found

    @property
    def config_file(self) -> Path:
        return self.folder / CONFIG

    def _check_weights(self) -> None:
        if (self.folder / WEIGHTS).is_file():
            return
        if (self.folder / INDEX).is_file():
            self._check_shards(read_json(self.folder / INDEX).get("weight_map"))
            return
        others = sorted(path.name for path in self.folder.glob("*.bin")) + sorted(
            path.name for path in self.folder.glob("*.pt*")
        )
        pickled = (
            f" {others[0]!r} is a pickle, which may run code: load it where you trust it, and save the model again "
            "with save_pretrained(…)."
            if others
            else " Was the download complete?"
        )
        raise InputError(f"There is no {WEIGHTS!r} in {str(self.folder)!r}.{pickled}")

    def _check_shards(self, named: object) -> None:
        shards = set(named.values()) if isinstance(named, dict) else set()
        if not shards or not all(isinstance(each, str) and _SHARD.fullmatch(each) for each in shards):
            raise InputError(f"{str(self.folder / INDEX)!r} does not name files of this folder.")
        if missing := sorted(each for each in shards if not (self.folder / each).is_file()):
            raise InputError(f"{missing[0]!r} is missing in {str(self.folder)!r}. Was the download complete?")


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object. Raises InputError."""
    try:
        if not file.is_file():
            raise InputError(f"There is no file {file.name!r} in {str(file.parent)!r}.")
        if file.stat().st_size > MAX_JSON_BYTES:
            raise InputError(
                f"{str(file)!r} has more than {MAX_JSON_BYTES:,} bytes, which no {file.name} has."
            )
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{str(file)!r} cannot be read as JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{str(file)!r} is no JSON object.")
    return found


def refuse_unknown(fields: Mapping[str, Any], known: Collection[str], file: Path) -> None:
    """Raises InputError, with the names, on fields whose meaning is not known: they may change what is predicted."""
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InputError(
            f"{str(file)!r} has {', '.join(map(repr, unknown[:5]))}{' and more' if unknown[5:] else ''}, of which it "
            "is not known here what they do to a prediction. Register with --architecture, --weights and "
            "--preprocess instead, or take out what does nothing."
        )
