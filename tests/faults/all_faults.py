"""Every fault that there is; one more is one line in the module of its kind."""

from tests.faults import (
    clusters_harmed,
    decoders_harmed,
    drivers_killed,
    registry_harmed,
    surroundings,
    volumes,
    workers_harmed,
)

FAULTS = (
    *drivers_killed.FAULTS,
    *workers_harmed.FAULTS,
    *decoders_harmed.FAULTS,
    *clusters_harmed.FAULTS,
    *registry_harmed.FAULTS,
    *surroundings.FAULTS,
)
SHORT = tuple(fault for fault in FAULTS if not fault.long)
LONG = tuple(fault for fault in FAULTS if fault.long)
# Only in a soak, and only for root.
OF_ROOT = volumes.FAULTS
