"""Faults, round after round: `make soak-faults`; a round of most in `make test`, of the others in `make soak-smoke`.

What was found is kept in `build/faults/rounds.jsonl`, a line a round, so that a soak that is stopped goes on when it is
started again; the table in `docs/reliability.md` is made of it.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import tests.conftest  # noqa: F401  first, for it keeps MLflow and Spark off the network
from tests.faults import all_faults, table
from tests.faults.bench import Bench, opened
from tests.faults.fault import Fault
from tests.faults.host import ROOT

KEPT = ROOT / "build" / "faults" / "rounds.jsonl"
PHOTOS = 48
# A bench grows old: sessions in its JVM, files that its JVM offers.
ROUNDS_A_BENCH = 60


@dataclass(frozen=True, slots=True)
class Round:
    """What one did, and what held after it."""

    fault: str
    number: int
    seed: int
    times: int
    recover_s: float
    seconds: float
    snapshots: int
    wrong: dict[str, int]
    notes: Sequence[str] = ()
    rows_again: Sequence[int] = ()


def play(bench: Bench, fault: Fault, number: int, seed: int = 0, times: int | None = None) -> Round:
    """One round, judged; `times`: how often it does harm at most, by default as the fault says."""
    started = time.monotonic()
    work = bench.work(number, name="".join(c if c.isalnum() else "-" for c in fault.name))
    injected = fault.run(work, Random(f"{seed}-{fault.name}-{number}"), times or fault.times)
    verdict, seen = work.judged(injected.left)
    wrong = asdict(verdict)
    notes = wrong.pop("notes")
    return Round(
        fault=fault.name,
        number=number,
        seed=seed,
        times=injected.times,
        recover_s=injected.recover_s,
        seconds=time.monotonic() - started,
        snapshots=seen.snapshots,
        wrong=wrong,
        notes=notes,
        rows_again=injected.rows_again,
    )


def keep(played: Round, kept: Path) -> None:
    """A line more."""
    with kept.open("a") as file:
        file.write(json.dumps(asdict(played)) + "\n")


def soak(
    faults: Sequence[Fault], rounds: int, seed: int, kept: Path, photos: int = PHOTOS
) -> Iterator[Round]:
    """The rounds that are not among those kept, on so many photos each; each is kept when it is over."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    done = {(each.fault, each.number) for each in table.rounds(kept) if each.seed == seed}
    left = [
        (fault, number)
        for number in range(rounds)
        for fault in faults
        if number < fault.at_most and (fault.name, number) not in done
    ]
    for start in range(0, len(left), ROUNDS_A_BENCH):
        folder = Path(tempfile.mkdtemp(prefix="stagewright-faults-"))
        with opened(folder, photos) as bench:
            for fault, number in left[start : start + ROUNDS_A_BENCH]:
                played = play(bench, fault, number, seed)
                keep(played, kept)
                yield played
        if not (folder / "kept").exists():
            shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, tell, and write the table; exit code 1 where anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--fault", nargs="*", default=[], help="words of the names of those wanted; default: all"
    )
    parser.add_argument(
        "--photos", type=int, default=PHOTOS, help="of a job; more of them can be killed oftener"
    )
    parser.add_argument("--kept", type=Path, default=KEPT, help="where rounds are kept")
    parser.add_argument("--only-table", action="store_true", help="of what is kept; play nothing")
    given = parser.parse_args(arguments)
    every = (*all_faults.FAULTS, *(all_faults.OF_ROOT if os.geteuid() == 0 else ()))
    wanted = [each for each in every if not given.fault or any(word in each.name for word in given.fault)]
    if not given.only_table:
        try:
            for played in soak(wanted, given.rounds, given.seed, given.kept, given.photos):
                _say(played)
        except Exception:
            traceback.print_exc()
            return 1
    table.write(given.kept)
    return int(any(any(each.wrong.values()) for each in table.rounds(given.kept)))


def _say(played: Round) -> None:
    wrong = {name: count for name, count in played.wrong.items() if count}
    held = f"WRONG {wrong} {played.notes}" if wrong else "holds"
    sys.stdout.write(
        f"{time.strftime('%H:%M:%S')} {played.fault} {played.number}: {played.times} times, {held}, "
        f"{played.recover_s:.1f} s to recover, {played.seconds:.0f} s\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
