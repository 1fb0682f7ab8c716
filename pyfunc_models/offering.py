"""What a version lets its jobs choose: precisions, transforms and decodings, of which the first is the reference."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .engines import Precision
from .errors import PackagingError
from .reading import DecodeChoice, Reading, TransformChoice


@dataclass(frozen=True, slots=True)
class Offering:
    """Each in the order of its enum, the reference first."""

    precisions: tuple[str, ...]
    transforms: tuple[str, ...]
    decodes: tuple[str, ...]

    @classmethod
    def of(cls, precisions: Iterable[str], transforms: Iterable[str], decodes: Iterable[str]) -> "Offering":
        """What was asked for and the references. Raises PackagingError, with what there is, on anything else."""
        return cls(
            _chosen("precision", Precision, precisions),
            _chosen("transform", TransformChoice, transforms),
            _chosen("decode", DecodeChoice, decodes),
        )

    @property
    def to_measure(self) -> tuple[str, ...]:
        """All that is no reference: photos are needed to say what it costs."""
        return self.precisions[1:] + self.transforms[1:] + self.decodes[1:]

    @property
    def readings(self) -> dict[str, Reading]:
        """Name -> what is read in another way than exactly, one choice at a time."""
        return {
            **{name: Reading(transform=TransformChoice(name)) for name in self.transforms[1:]},
            **{name: Reading(decode=DecodeChoice(name)) for name in self.decodes[1:]},
        }


def _chosen(what: str, choices: type[StrEnum], wanted: Iterable[str]) -> tuple[str, ...]:
    known = [choice.value for choice in choices]
    asked = list(wanted)
    for name in asked:
        if name not in known:
            raise PackagingError(f"There is no {what} {name!r}; there are {known}.")
    # What the others are measured against is in every version.
    return tuple(name for name in known if name in (known[0], *asked))
