"""Photos with what was said of each: by a version, by two of them, by whoever labelled it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """`whose` it is, in a word or two; `score`: 0 to 1, None where nobody gave one."""

    whose: str
    label: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One photo. `key`: by which it is known; `path`: by which it could be opened, and its picture is known."""

    key: str
    path: str
    answers: Sequence[Answer]

    @property
    def says(self) -> str:
        """In a sentence, for whoever does not see the photo."""
        return ", ".join(f"{each.whose}: {each.label}" for each in self.answers)
