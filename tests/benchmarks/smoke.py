"""Scale and start-up in short, by `make bench-smoke`: whole jobs that show nothing but that they still run."""

import json
from pathlib import Path

import pytest

from benchmarks import scale, startup

pytestmark = pytest.mark.usefixtures("migrated")


@pytest.mark.timeout(600)
def test_a_job_over_a_table_is_timed_and_its_memory_watched(tmp_path: Path) -> None:
    assert scale.main(["--rows", "300", "600", "--cores", "1", "--output", str(tmp_path)]) == 0

    document = json.loads((tmp_path / "scale.json").read_text())
    assert [job["rows"] for job in document["jobs"]] == [300, 600]
    assert all(job["samples"] and job["peak_megabytes"]["max_jvm"] > 50 for job in document["jobs"])
    table = (tmp_path / "scale.md").read_text()
    assert "| 300 |" in table
    assert "2x the rows, from 300" in table
    assert "<svg" in (tmp_path / "scale.svg").read_text()


def test_start_up_is_told_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert startup.main(["--model", "colours", "--repeats", "1", "--cores", "1"]) == 0
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines()[2:]]
    seconds = {part.strip(): float(said.split()[0]) for part, said in rows}
    whole = seconds.pop("all")
    assert whole == pytest.approx(sum(seconds.values()), abs=0.05)
    assert {"start the JVM and the session", "stop"} < seconds.keys()
    assert min(seconds.values()) >= 0
