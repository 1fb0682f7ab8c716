"""Gates on what a version is: its tags, its schema, its pickles, who signed it."""

from __future__ import annotations

from dataclasses import dataclass

from registry import schemas, signing, tags
from registry.errors import ForeignVersion, SignatureRefused
from registry.gates.figures import NOBODY_THERE
from registry.gates.gate import Finding
from registry.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag that is there, or has a value."""

    key: str
    value: str | None = None

    @property
    def name(self) -> str:
        return "tag"

    @property
    def wanted(self) -> str:
        return self.key if self.value is None else f"{self.key}={self.value}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """An empty tag is as good as none."""
        found = candidate.tags.get(self.key, "")
        passed = found == self.value if self.value is not None else bool(found)
        # Not by `register --tag`: a version that exists keeps its tags, so it is set where it lives.
        step = f"set the tag {self.key} of version {candidate.number} in MLflow (set_model_version_tag)"
        return Finding(passed, found or "missing", next_step="" if passed else step)


@dataclass(frozen=True, slots=True)
class NoPickle:
    """Nothing of the version travels as a pickle."""

    @property
    def name(self) -> str:
        return "no-pickle"

    @property
    def wanted(self) -> str:
        return "no pickled part"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """A version that stagewright did not package fails: nobody knows what it holds."""
        if candidate.manifest_digest is None:
            return Finding(False, "not packaged by stagewright")
        return Finding(not candidate.pickled, ", ".join(candidate.pickled) or "none")


@dataclass(frozen=True, slots=True)
class Signed:
    """One of these keys signed the version."""

    keys: tuple[signing.PublicKey, ...]

    @property
    def name(self) -> str:
        return "signed"

    @property
    def wanted(self) -> str:
        return f"signed by {' or '.join(key.shown for key in self.keys)}"

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Reads the tags; the files are held against what was signed when the version is fetched."""
        try:
            return Finding(True, f"by {signing.verify(candidate, self.keys).shown}")
        except ForeignVersion:
            return Finding(False, "not packaged by stagewright")
        except SignatureRefused as refused:
            tried = any(tags.signature(key.fingerprint) in candidate.tags for key in self.keys)
            found = "not a signature of this version" if tried else "not signed by these keys"
            return Finding(False, found, next_step=refused.hint)


@dataclass(frozen=True, slots=True)
class SameSchema:
    """What goes in and comes out is as with the version now in the stage, or has additions that break nobody."""

    additions: bool = False

    @property
    def name(self) -> str:
        return "schema"

    @property
    def wanted(self) -> str:
        return "that of the current version" + (", or additions" if self.additions else "")

    def look(self, candidate: ModelVersion, current: ModelVersion | None) -> Finding:
        """Passes where no version is there yet; a version whose schema nobody kept fails."""
        if current is None:
            return Finding(True, NOBODY_THERE)
        for version in (candidate, current):
            if version.schema is None:
                step = f"register it again: version {version.number} has no schema among its tags"
                return Finding(False, f"version {version.number}: not known", next_step=step)
        differences = schemas.differences(str(current.schema), str(candidate.schema), self.additions)
        return Finding(not differences, "; ".join(differences) or f"as version {current.number}")
