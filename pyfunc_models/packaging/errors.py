"""What packaging refuses.

PackagingError          what was handed over cannot be packaged
└── PrecisionRefused    a precision agrees less with f32 than the floor asks for
"""


class PackagingError(ValueError):
    """What was handed over cannot be packaged; says what, and what to do."""


class PackagingWarning(UserWarning):
    """What was packaged is not quite what was handed over; says what was done."""


class PrecisionRefused(PackagingError):
    """A precision's answers are further from f32's than the floor allows; says the figures."""
