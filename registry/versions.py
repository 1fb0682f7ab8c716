"""What the registry knows about one version of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from registry import tags
from registry.errors import InvalidStage
from registry.showing import table

# What MLflow takes as an alias and reads as nothing else: `v3` and `latest` are its own, a number is a version.
_DECLARED = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_RESERVED = re.compile(r"v\d+|latest|none|staging|production|archived", re.IGNORECASE)


class Stage(StrEnum):
    """MLflow's stages, spelled as MLflow spells them."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"

    @classmethod
    def parse(cls, text: str) -> Stage:
        """A stage written in any case. Raises InvalidStage."""
        for stage in cls:
            if stage.value.lower() == text.lower():
                return stage
        own = ", ".join(stage.value for stage in cls)
        raise InvalidStage(
            f"There is no stage {text!r}.", f"The stages are {own}; others are declared in gates.toml."
        )

    @property
    def alias(self) -> str | None:
        """The alias that follows this stage; only Staging and Production have one."""
        return self.value.lower() if self in (Stage.STAGING, Stage.PRODUCTION) else None


class DeclaredStage(str):
    """A stage that a team declared: the alias of this name alone says which version stands there.

    One version may stand in several of them, and in one of MLflow's own besides.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> DeclaredStage:
        """An alias that can be a stage, in its own case. Raises InvalidStage."""
        if not cls.fits(text):
            raise InvalidStage(
                f"{text!r} cannot be declared as a stage.",
                "Take up to 64 letters, digits, `-` and `_` that begin with a letter, and none of MLflow's own "
                "words: latest, v1, None, Staging, Production, Archived.",
            )
        return cls(text)

    @staticmethod
    def fits(text: str) -> bool:
        """Whether a text can name a declared stage."""
        return bool(_DECLARED.fullmatch(text)) and not _RESERVED.fullmatch(text)

    @property
    def value(self) -> str:
        return str(self)

    @property
    def alias(self) -> str:
        return str(self)


Place = Stage | DeclaredStage


def place(text: str) -> Place:
    """One of MLflow's stages in its own case, else one that can be declared. Raises InvalidStage."""
    return Stage(text) if text in tuple(Stage) else DeclaredStage.parse(text)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One numbered version: its number names the same artifacts for ever, its stage and aliases change."""

    name: str
    number: int
    stage: Stage
    status: str
    created_at: datetime
    updated_at: datetime
    source_uri: str
    source_run_id: str | None = None
    description: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def pinned_uri(self) -> str:
        """`models:/NAME/NUMBER`: means this version whatever is promoted later."""
        return f"models:/{self.name}/{self.number}"

    def _repr_html_(self) -> str:
        """For notebooks."""
        own = ((f"tag {key}", value) for key, value in sorted(self.user_tags.items()))
        rows = [
            ("stage", self.stage.value),
            ("aliases", ", ".join(self.aliases)),
            ("kind", self.kind or "not packaged by stagewright"),
            ("architecture", self.architecture),
            ("precisions", ", ".join(self.precisions)),
            *self.settings.items(),
            ("model digest", self.model_digest),
            ("created (UTC)", f"{self.created_at:%Y-%m-%d %H:%M}"),
            *own,
        ]
        return table(self.pinned_uri, (row for row in rows if row[1]))

    @property
    def ready(self) -> bool:
        return self.status == "READY"

    @property
    def model_digest(self) -> str | None:
        """SHA-256 of what the model is; None where stagewright did not package it."""
        return self.tags.get(tags.MODEL_DIGEST)

    @property
    def manifest_digest(self) -> str | None:
        """SHA-256 of the version's `SHA256SUMS`; None where stagewright did not package it."""
        return self.tags.get(tags.MANIFEST_DIGEST)

    @property
    def kind(self) -> str | None:
        """`classifier`, `embedder`, …; None where stagewright did not package it."""
        return self.tags.get(tags.KIND)

    @property
    def architecture(self) -> str | None:
        return self.tags.get(tags.ARCHITECTURE)

    @property
    def precisions(self) -> tuple[str, ...]:
        return tags.split(self.tags.get(tags.PRECISIONS, ""))

    @property
    def transforms(self) -> tuple[str, ...]:
        """How jobs may have photos resized: `exact`, `fast`; none where the version is older than the choice."""
        return tags.split(self.tags.get(tags.TRANSFORMS, ""))

    @property
    def decodes(self) -> tuple[str, ...]:
        """How much of a JPEG jobs may have decoded: `full`, `reduced`; none as for `transforms`."""
        return tags.split(self.tags.get(tags.DECODES, ""))

    @property
    def measured(self) -> dict[str, dict[str, float]]:
        """Precision, transform or decoding -> figure -> value, as measured against f32, exact and full."""
        return tags.all_measured(self.tags, self.pinned_uri)

    @property
    def settings(self) -> dict[str, str]:
        """What the kind was told when the version was registered, such as `threshold`: as its tags write it."""
        return {
            key.removeprefix(tags.SETTING): value
            for key, value in sorted(self.tags.items())
            if key.startswith(tags.SETTING)
        }

    @property
    def pickled(self) -> tuple[str, ...]:
        """The parts that travel as pickles, such as `transform`."""
        return tags.split(self.tags.get(tags.PICKLED, ""))

    @property
    def schema(self) -> str | None:
        """MLflow's signature as `registry.schemas` writes it; None where it was not kept."""
        return self.tags.get(tags.SCHEMA)

    @property
    def user_tags(self) -> dict[str, str]:
        """The tags that neither stagewright nor MLflow wrote."""
        return {key: value for key, value in self.tags.items() if not tags.is_reserved(key)}
