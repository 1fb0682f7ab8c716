"""The faults that `make test` leaves out for the time they take: a short round of each, by `make soak-smoke`."""

import pytest

from tests.faults import all_faults
from tests.faults.bench import Bench
from tests.faults.fault import Fault

from .test_faults import bench, check

__all__ = ["bench"]


@pytest.mark.parametrize("fault", all_faults.LONG, ids=lambda fault: fault.name)
def test_no_row_is_lost_or_doubled_whatever_happens(bench: Bench, fault: Fault) -> None:
    check(bench, fault)
