"""The short form of `make soak-fuzz`."""

from pyfunc_models.photos import formats
from tests.pyfunc_models import fuzz


def test_every_damaged_photo_becomes_a_row_within_its_share_of_time_and_memory() -> None:
    found = fuzz.run(fuzz.Plan(photos=1_500, seed=7))
    assert found.broken == []
    assert len(found.readings) == 1_500
    assert {one.format for one in found.readings} == {*(format.name for format in formats.FORMATS), "none"}
    assert {one.status for one in found.readings} >= {"ok", "truncated", "undecodable", "too_large"}


def test_what_a_photo_costs_is_shown_with_its_number() -> None:
    found = fuzz.Found(
        [fuzz.Reading(7, "PNG", 10, "ok", 6.0, 12.0), fuzz.Reading(8, "PNG", 9, "ok", 0.1, 1.0)]
    )
    shown = "\n".join(fuzz.lines(found, 1.0))
    assert "slowest: photo 7, PNG of 10 bytes, ok, 6,000 ms, 12 MiB" in shown
    assert len(found.broken) == 1
