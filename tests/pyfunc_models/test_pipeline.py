"""Rows stream through threads into batches: in order, bounded, and no row can stop the others."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from pyfunc_models import RowFault, Status
from pyfunc_models.engines import Images, Outputs
from pyfunc_models.worker.pipeline import READ_AHEAD, Scored, Settings, score

SIZE = (2, 2)


class MeanEngine:
    """Answers with each image's mean; remembers its batches, and how many were in flight at once."""

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self.batch_size = 4
        self.batches: list[int] = []
        self.in_flight = 0
        self.most_in_flight = 0

    def submit(self, images: Images) -> Callable[[], Outputs]:
        self.batches.append(len(images))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

        def result() -> Outputs:
            self.in_flight -= 1
            return images.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]

        return result


def read(content: bytes | None) -> Images | RowFault:
    if not content:
        return RowFault(Status.EMPTY, "nothing")
    return np.full((*SIZE, 3), content[0], dtype=np.uint8)


def answers(scored: Scored) -> dict[int, float]:
    assert scored.outputs is not None
    return dict(zip(scored.rows, scored.outputs[:, 0].tolist(), strict=True))


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 64, 201])
@pytest.mark.parametrize("threads", [1, 4])
def test_every_row_gets_its_own_answer_in_input_order(rows: int, threads: int) -> None:
    contents = [bytes([i % 256]) for i in range(rows)]
    scored = score(contents, read, MeanEngine(), Settings(4, threads, SIZE))
    assert answers(scored) == {i: i % 256 for i in range(rows)}
    assert scored.faults == {}


def test_bad_rows_keep_their_place_and_good_ones_their_answers() -> None:
    contents = [None if i % 3 == 0 else bytes([i]) for i in range(50)]
    scored = score(contents, read, MeanEngine(), Settings(8, 2, SIZE))
    assert sorted(scored.faults) == list(range(0, 50, 3))
    assert answers(scored) == {i: i for i in range(50) if i % 3}


def test_rows_that_are_all_bad_never_reach_the_engine() -> None:
    engine = MeanEngine()
    scored = score([None] * 10, read, engine, Settings(4, 2, SIZE))
    assert (scored.outputs, len(scored.faults), engine.batches) == (None, 10, [])


def test_slow_rows_do_not_change_the_order() -> None:
    def slow(content: bytes | None) -> Images | RowFault:
        assert content is not None
        time.sleep(0.002 * (content[0] % 5))
        return read(content)

    contents = [bytes([i]) for i in range(1, 40)]
    scored = score(contents, slow, MeanEngine(), Settings(4, 4, SIZE))
    assert answers(scored) == {i: i + 1 for i in range(39)}


@pytest.mark.parametrize("slots", [1, 3])
def test_no_more_batches_are_in_the_engine_than_it_has_slots(slots: int) -> None:
    engine = MeanEngine(slots)
    score([b"x"] * 100, read, engine, Settings(4, 2, SIZE))
    assert engine.most_in_flight == slots
    assert engine.in_flight == 0


def test_reading_stays_a_bounded_number_of_batches_ahead_of_the_engine() -> None:
    started = 0
    lock = threading.Lock()
    ahead: list[int] = []

    def counting(content: bytes | None) -> Images | RowFault:
        nonlocal started
        with lock:
            started += 1
        return read(content)

    class Slow(MeanEngine):
        def submit(self, images: Images) -> Callable[[], Outputs]:
            time.sleep(0.01)
            ahead.append(started - sum(self.batches))
            return super().submit(images)

    score([b"x"] * 400, counting, Slow(slots=1), Settings(4, 4, SIZE))
    assert max(ahead) <= 4 * (READ_AHEAD + 1)


def test_what_is_fetched_stays_with_its_row_and_faults_of_fetching_are_the_rows() -> None:
    def fetch(content: bytes | None) -> bytes | RowFault | None:
        assert content is not None
        time.sleep(0.001 * (content[0] % 4))
        return RowFault(Status.MISSING, "gone") if content[0] % 7 == 0 else bytes([content[0] + 1])

    contents = [bytes([i]) for i in range(90)]
    scored = score(contents, read, MeanEngine(), Settings(8, 2, SIZE, fetch))
    assert answers(scored) == {i: i + 1 for i in range(90) if i % 7}
    assert {fault.status for fault in scored.faults.values()} == {Status.MISSING}
    assert sorted(scored.faults) == list(range(0, 90, 7))


def test_fetching_stays_a_bounded_number_of_batches_ahead_of_the_engine() -> None:
    fetched: list[bytes | None] = []
    ahead: list[int] = []

    def fetch(content: bytes | None) -> bytes | None:
        fetched.append(content)
        return content

    class Slow(MeanEngine):
        def submit(self, images: Images) -> Callable[[], Outputs]:
            time.sleep(0.01)
            ahead.append(len(fetched) - sum(self.batches))
            return super().submit(images)

    score([b"x"] * 400, read, Slow(slots=1), Settings(4, 4, SIZE, fetch))
    assert len(fetched) == 400
    assert max(ahead) <= 4 * (READ_AHEAD + 1)


def test_what_fetching_raises_reaches_the_caller() -> None:
    def fetch(content: bytes | None) -> bytes | None:
        raise PermissionError("not yours")

    with pytest.raises(PermissionError, match="not yours"):
        score([b"x"] * 40, read, MeanEngine(), Settings(4, 2, SIZE, fetch))


def test_a_transform_of_ones_own_that_gives_another_shape_is_that_rows_fault() -> None:
    def wrong(content: bytes | None) -> Images | RowFault:
        return np.zeros((5, 5, 3), dtype=np.uint8) if content == b"w" else read(content)

    scored = score([b"a", b"w", b"b"], wrong, MeanEngine(), Settings(4, 1, SIZE))
    assert scored.rows == [0, 2]
    assert scored.faults[1].status is Status.UNSUPPORTED
    assert "[5, 5, 3]" in scored.faults[1].error
