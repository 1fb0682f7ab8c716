"""Tables of a TOML file, read key by key: whatever nobody asks for is a typo, and is said so."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.errors import UserError

_ARTICLES = {bool: "true or false", str: "a text", dict: "a table", list: "a list"}


class Table:
    """One table of a file. Every method that reads a key raises UserError naming file, table and key."""

    def __init__(self, file: str, path: str, said: Mapping[str, Any]) -> None:
        self.file = file
        self.path = path
        self._said = said
        self._asked: set[str] = set()

    @classmethod
    def load(cls, file: Path) -> Table:
        """The whole file. Raises UserError where there is none or it is no TOML."""
        try:
            return cls(str(file), "", tomllib.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UserError(f"There is no file {str(file)!r}.", "Name one that exists.") from None
        except OSError as fault:
            raise UserError(f"{str(file)!r} cannot be read: {fault.strerror}.") from None
        except ValueError as fault:  # TOMLDecodeError, UnicodeDecodeError
            raise UserError(f"{str(file)!r} is not TOML: {fault}.") from None

    @property
    def where(self) -> str:
        """File and table, as a message begins."""
        return f"{self.file}: [{self.path}]" if self.path else self.file

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._said)

    def flag(self, key: str, default: bool = False) -> bool:
        """true or false."""
        found = self._of(key, bool)
        return default if found is None else bool(found)

    def text(self, key: str, one_of: Sequence[str] = ()) -> str | None:
        found = self._of(key, str)
        if found is not None and one_of and found not in one_of:
            raise self.wrong(key, f"{found!r} is none of {', '.join(one_of)}")
        return None if found is None else str(found)

    def needed_text(self, key: str) -> str:
        found = self.text(key)
        if not found:
            raise self.wrong(key, "is missing")
        return found

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where it is not there."""
        found = self._of(key, list) or []
        if not all(isinstance(word, str) for word in found):
            raise self.wrong(key, f"is no list of texts: {found!r}")
        return tuple(found)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A finite number from low to high."""
        self._asked.add(key)
        found = self._said.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            raise self.wrong(key, f"is no number: {found!r}")
        if not low <= found <= high:
            raise self.wrong(key, f"{found!r} is not between {low:g} and {high:g}")
        return float(found)

    def table(self, key: str) -> Table | None:
        found = self._of(key, dict)
        return None if found is None else Table(self.file, self._below(key), found)

    def tables(self, key: str) -> Iterator[Table]:
        """Each of `[[key]]`; a single `[key]` counts as one."""
        self._asked.add(key)
        found = self._said.get(key, [])
        several = [found] if isinstance(found, dict) else found
        if not isinstance(several, list) or not all(isinstance(one, dict) for one in several):
            raise self.wrong(key, f"is no table: {found!r}; write [[{self._below(key)}]]")
        for one in several:
            yield Table(self.file, self._below(key), one)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every key with its value, for a table whose keys are the user's own."""
        self._asked.update(self._said)
        yield from self._said.items()

    def finish(self) -> None:
        """Refuse keys that nothing asked for."""
        for key in self._said:
            if key not in self._asked:
                raise self.wrong(key, f"is unknown here; there are {', '.join(sorted(self._asked))}")

    def wrong(self, key: str, why: str) -> UserError:
        return UserError(f"{self.where} {key!r} {why}.")

    def _of(self, key: str, kind: type) -> Any:
        self._asked.add(key)
        found = self._said.get(key)
        if found is not None and not isinstance(found, kind):
            raise self.wrong(key, f"is not {_ARTICLES[kind]}: {found!r}")
        return found

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key
