"""What can go wrong with a registry.

RegistryError
├── UserError                 what was asked for is wrong: exit code 2
│   ├── InvalidUri            not a `models:/` reference
│   ├── InvalidName           a model name that MLflow stores but cannot load by
│   ├── InvalidStage          not one of MLflow's stages
│   ├── InvalidTag            a tag in our own namespace
│   ├── InvalidReason         a `because` that is too long for the ledger
│   ├── InvalidPackage        a folder that is no packaged model, or a damaged one
│   ├── RunRefused            a run where these credentials may have none
│   └── NotFound
│       ├── ModelNotFound
│       ├── VersionNotFound
│       ├── AliasNotFound
│       ├── StageEmpty        no version stands in that stage
│       └── RunNotFound
└── Refusal                   asked for rightly, refused or failed: exit code 1
    ├── RegistryUnreachable   no answer within the stated time
    ├── MachineFault          this machine's disk, memory or rights, while the registry was asked
    ├── AccessDenied
    ├── RegistryFault         anything else that the registry answers with
    │   └── StagesRefused     a registry that has aliases and no stages
    ├── VersionNotReady
    ├── ExpectationFailed     compare-and-set found another version
    ├── GateRefused           a gate of the stage said no
    ├── PromotionLost         somebody else promoted at the same moment
    ├── ProductionLeft        the move would leave Production empty, and nobody said that it may
    ├── NothingToRollBack
    ├── ForeignVersion        a version that stagewright did not package
    ├── ArtifactMismatch      a file of the version is not the file that was registered
    ├── ModelTooLarge         more bytes or files than a model may have, or than the disk has room for
    ├── SignatureRefused      no trusted key signed the version as it is now
    └── PolicyRefused         what the registry's or this machine's policy does not let in
"""

from collections.abc import Sequence

from registry.verdicts import Verdict


class RegistryError(Exception):
    """Something about the registry; `hint` is the next step for whoever reads the message."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UserError(RegistryError):
    """What was asked for is wrong; asking again the same way will not help."""


class Refusal(RegistryError):
    """What was asked for is sound, but was refused or did not succeed."""


class InvalidUri(UserError):
    """Not a reference to a registered model version."""


class InvalidName(UserError):
    """A name that no `models:/` reference can hold."""


class InvalidStage(UserError):
    """Not a stage, or not one that a version can be moved to."""


class InvalidTag(UserError):
    """A user's tag that would be taken for one of ours."""


class InvalidReason(UserError):
    """A reason that does not fit into one ledger event."""


class InvalidPackage(UserError):
    """A folder that is not a packaged model, or not an intact one."""


class RunRefused(UserError):
    """These credentials may not make a run there, or not write into it; says which right is missing."""


class NotFound(UserError):
    """What was named does not exist in this registry."""


class ModelNotFound(NotFound):
    """No registered model has this name."""


class VersionNotFound(NotFound):
    """The model has no version of this number."""


class AliasNotFound(NotFound):
    """The model has no alias of this name."""


class StageEmpty(NotFound):
    """No version of the model stands in this stage."""


class RunNotFound(NotFound):
    """The tracking server has no such run."""


class RegistryUnreachable(Refusal):
    """The registry did not answer within the stated time."""


class MachineFault(Refusal):
    """This machine could not take what the registry gave: a full disk, too many open files, no right to write."""


class AccessDenied(Refusal):
    """The registry answered that these credentials may not do this."""


class RegistryFault(Refusal):
    """The registry answered with an error that has no class of its own here."""


class StagesRefused(RegistryFault):
    """The registry moves no version to any stage; aliases alone say where versions stand."""


class VersionNotReady(Refusal):
    """The version is still being created, or its creation failed."""


class ExpectationFailed(Refusal):
    """The stage holds another version than the caller expected."""


class GateRefused(Refusal):
    """The version does not have what the stage asks for; nothing was moved, and the ledger says so."""

    def __init__(self, message: str, hint: str, verdicts: Sequence[Verdict]) -> None:
        super().__init__(message, hint)
        self.verdicts = tuple(verdicts)


class PromotionLost(Refusal):
    """Another promotion of the same stage won."""


class ProductionLeft(Refusal):
    """The version is in Production, and no other would be there after the move; nothing was moved."""


class NothingToRollBack(Refusal):
    """The ledger knows no earlier version of this stage."""


class ForeignVersion(Refusal):
    """The version was not packaged by stagewright, so there is nothing to verify it against."""


class ArtifactMismatch(Refusal):
    """The artifacts are not the ones that were registered; nothing of them was read."""


class ModelTooLarge(Refusal):
    """The version takes more bytes or files than a model may, or than fit on the disk; it is not kept."""


class SignatureRefused(Refusal):
    """No trusted key signed the version as it is now; nothing of it was read."""


class PolicyRefused(Refusal):
    """A policy of the model or of this machine does not let it in; nothing of it was read."""
