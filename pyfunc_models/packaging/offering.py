"""What a version lets its jobs choose: precisions and decodings, of which the first is the reference."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..engines import Precision
from ..worker.choices import DecodeChoice
from .errors import PackagingError


@dataclass(frozen=True, slots=True)
class Offering:
    """Each in the order of its enum, the reference first."""

    precisions: tuple[str, ...]
    decodes: tuple[str, ...]

    @classmethod
    def of(cls, precisions: Iterable[str], decodes: Iterable[str]) -> "Offering":
        """What was asked for and the references. Raises PackagingError, with what there is, on anything else."""
        return cls(_chosen("precision", Precision, precisions), _chosen("decode", DecodeChoice, decodes))

    @property
    def to_measure(self) -> tuple[str, ...]:
        """All that is no reference: photos are needed to say what it costs."""
        return self.precisions[1:] + self.decodes[1:]


def _chosen(what: str, choices: type[StrEnum], wanted: Iterable[str]) -> tuple[str, ...]:
    known = [choice.value for choice in choices]
    asked = list(wanted)
    for name in asked:
        if name not in known:
            raise PackagingError(f"There is no {what} {name!r}; there are {known}.")
    # What the others are measured against is in every version.
    return tuple(name for name in known if name in (known[0], *asked))
