"""What ten times the rows cost, from measured jobs."""

from pathlib import Path

from benchmarks import scale_report
from benchmarks.processes import Sample
from benchmarks.scale import Scaled

DOCUMENT = {
    "started": "2026-01-01T00:00:00+00:00",
    "cores": 2,
    "machine": {"cpu": "A", "flags": "avx2", "cores": "2", "memory": "8 GiB", "system": "L"},
    "versions": {"python": "3.11"},
}


def job(rows: int, seconds: float, megabytes: float) -> Scaled:
    peak = {"max_driver": 1.0, "max_jvm": 2.0, "max_workers": 3.0, "total": megabytes}
    return Scaled(
        rows, seconds, seconds, rows / 1000, peak, [Sample(0.5, {"driver": 1.0}), Sample(1.0, {"jvm": 2.0})]
    )


def test_growth_leaves_start_up_in_the_time_and_out_of_the_cost_of_a_row(tmp_path: Path) -> None:
    jobs = [job(10_000, 12.0, 800.0), job(100_000, 30.0, 840.0)]

    files = scale_report.write(tmp_path, jobs, DOCUMENT)

    text = (tmp_path / "scale.md").read_text()
    assert "| 100,000 | 100 | 30.0 | 300 | 200 | 1 | 2 | 3 |" in text
    assert "- 10x the rows, from 10,000: 2.5x the time, 1.05x the memory" in text
    assert [file.name for file in files] == ["scale.json", "scale.md", "scale.svg"]
