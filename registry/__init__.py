"""Which model version is meant, where it stands, and who moved it."""

from registry.errors import (
    AccessDenied,
    AliasNotFound,
    ArtifactMismatch,
    ExpectationFailed,
    ForeignVersion,
    GateRefused,
    InvalidName,
    InvalidPackage,
    InvalidReason,
    InvalidStage,
    InvalidTag,
    InvalidUri,
    MachineFault,
    ModelNotFound,
    ModelTooLarge,
    NotFound,
    NothingToRollBack,
    PolicyRefused,
    ProductionLeft,
    PromotionLost,
    Refusal,
    RegistryError,
    RegistryFault,
    RegistryUnreachable,
    RunNotFound,
    RunRefused,
    SignatureRefused,
    StageEmpty,
    StagesRefused,
    UserError,
    VersionNotFound,
    VersionNotReady,
)
from registry.facade import Registry
from registry.gates import Gates
from registry.gates.evidence import Comparison, Evidence
from registry.hooks.delivering import Delivery
from registry.hooks.hook import Hook
from registry.ledger.auditing import Audited
from registry.ledger.exporting import Imported
from registry.ledger.history import Event, EventKind
from registry.ledger.moves import Promotion
from registry.ledger.standing import Standing, Tenure, declared_in, tenure
from registry.registration.copying import Copied
from registry.registration.registering import Registration
from registry.runs import JobKind, Outcome, Run, RunStatus
from registry.trust.policy import Policy, Use
from registry.trust.signing import PublicKey
from registry.trust.statements import Signer
from registry.uri import Alias, Latest, ModelUri, Number
from registry.verdicts import Verdict
from registry.versions import DeclaredStage, ModelVersion, Place, Stage

__all__ = [
    "AccessDenied",
    "Alias",
    "AliasNotFound",
    "ArtifactMismatch",
    "Audited",
    "Comparison",
    "Copied",
    "DeclaredStage",
    "Delivery",
    "Event",
    "EventKind",
    "Evidence",
    "ExpectationFailed",
    "ForeignVersion",
    "GateRefused",
    "Gates",
    "Hook",
    "Imported",
    "InvalidName",
    "InvalidPackage",
    "InvalidReason",
    "InvalidStage",
    "InvalidTag",
    "InvalidUri",
    "JobKind",
    "Latest",
    "MachineFault",
    "ModelNotFound",
    "ModelTooLarge",
    "ModelUri",
    "ModelVersion",
    "NotFound",
    "NothingToRollBack",
    "Number",
    "Outcome",
    "Place",
    "Policy",
    "PolicyRefused",
    "ProductionLeft",
    "Promotion",
    "PromotionLost",
    "PublicKey",
    "Refusal",
    "Registration",
    "Registry",
    "RegistryError",
    "RegistryFault",
    "RegistryUnreachable",
    "Run",
    "RunNotFound",
    "RunRefused",
    "RunStatus",
    "SignatureRefused",
    "Signer",
    "Stage",
    "StageEmpty",
    "StagesRefused",
    "Standing",
    "Tenure",
    "Use",
    "UserError",
    "Verdict",
    "VersionNotFound",
    "VersionNotReady",
    "declared_in",
    "tenure",
]
