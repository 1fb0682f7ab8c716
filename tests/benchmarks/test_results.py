"""The arithmetic behind the tables."""

import math
from pathlib import Path

import pytest

from benchmarks import catalogue, report, results
from benchmarks.measuring import Plan
from benchmarks.networks import NETWORKS
from benchmarks.results import Invocation, Reading, Result


def reading(few: int, few_s: float, many: int, many_s: float) -> Reading:
    return Reading(few, few_s, 1.0, many, many_s, 9.0, {"total": 500.0, "max_workers": 300.0})


def result(name: str, *readings: Reading, limit: str | None = None) -> Result:
    return Result(name, list(readings), same_labels=1.0, limit=limit)


def invocation(network: str, *found: Result, started: str = "2026-01-01T00:00:00+00:00") -> Invocation:
    machine = {
        "cpu": "A",
        "family and model": "1/2",
        "flags": "avx2",
        "cores": "2",
        "memory": "8 GiB",
        "system": "L",
    }
    photos = {"source": "made", "different": 3, "mean_kilobytes": 106.0}
    return Invocation(network, started, machine, {"python": "3.11"}, photos, 2, list(found))


def test_start_up_cancels_out_of_the_steady_state() -> None:
    slow_start = reading(100, 30.0, 500, 40.0)
    quick_start = reading(100, 3.0, 500, 13.0)

    assert slow_start.images_per_second == quick_start.images_per_second == 40.0


def test_a_whole_process_is_read_off_the_line_through_both_sizes() -> None:
    measured = reading(100, 10.0, 500, 20.0)

    assert measured.whole_s(500) == 20.0
    assert measured.whole_s(1000) == pytest.approx(32.5)


def test_too_few_photos_for_the_noise_give_no_rate_and_no_ratio() -> None:
    noisy = result("article", reading(10, 5.0, 50, 4.9))
    known = result("stagewright-f32", reading(10, 5.0, 50, 6.0))

    assert math.isnan(noisy.images_per_second.median)
    assert "too few photos" in report.markdown([invocation("resnet18", noisy, known)])


def test_one_noisy_repeat_leaves_the_median_of_the_others() -> None:
    repeats = [reading(10, 5.0, 50, 9.0), reading(10, 5.0, 50, 4.0), reading(10, 5.0, 50, 13.0)]

    assert result("article", *repeats).images_per_second.median == 7.5


def test_ratios_are_of_medians_inside_one_invocation() -> None:
    article = result(
        "article", reading(0, 0.0, 10, 10.0), reading(0, 0.0, 10, 5.0), reading(0, 0.0, 10, 10.0)
    )
    ours = result("stagewright-f32", *[reading(0, 0.0, 10, 2.0)] * 3, limit="inprocess-f32")
    measured = invocation("resnet18", article, ours)

    ratio = measured.ratio(ours, "article")

    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == (5.0, 2.5, 5.0)
    assert measured.ratio(ours, ours.limit) is None


def test_a_new_sitting_replaces_its_model_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    old = invocation("resnet18", result("article", reading(1, 1.0, 5, 2.0)))
    other = invocation("resnet50", result("article", reading(1, 1.0, 5, 2.0)))
    new = invocation(
        "resnet18", result("article", reading(1, 1.0, 5, 3.0)), started="2026-01-02T00:00:00+00:00"
    )
    results.write(file, [old, other])

    known = results.read(file)

    assert known == [old, other]
    assert results.merge(known, new, append=False) == [other, new]
    assert results.merge(known, new, append=True) == [old, other, new]


def test_a_file_of_another_format_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    file.write_text('{"invocations": [{"network": "resnet18"}]}')

    with pytest.raises(ValueError, match="move it away"):
        results.read(file)


def test_each_sitting_has_a_table_of_its_own() -> None:
    first = invocation("resnet18", result("article", reading(1, 1.0, 5, 2.0)))
    second = invocation("resnet18", result("stagewright-int8", reading(1, 1.0, 5, 2.0)))

    text = report.markdown([first, second])

    assert text.count("## ResNet-18") == 2
    assert "| stagewright-int8 | 4.0 (4.0 to 4.0) |  |" in text  # no article beside it, so no ratio


def test_faster_contenders_get_more_photos_and_every_other_repeat_goes_backwards() -> None:
    known = catalogue.everyone(NETWORKS["resnet18"])
    article, bf16 = known["article"], known["stagewright-bf16"]
    plan = Plan((article, bf16), photos=100, repeats=2)

    assert plan.sizes(article) == (20, 100)
    assert plan.sizes(bf16) == (90, 450)
    assert Plan((article, bf16), photos=100, repeats=2, even=True).sizes(bf16) == (20, 100)
    assert list(plan.turns(0)) == [article, bf16]
    assert list(plan.turns(1)) == [bf16, article]


def test_beyond_one_task_for_each_core_numbers_are_whole_rounds_of_tasks() -> None:
    article = catalogue.Contender("article", "article")
    assert Plan((article,), photos=100, repeats=1, round_of=100).sizes(article) == (20, 100)
    assert Plan((article,), photos=740, repeats=1, round_of=100).sizes(article) == (100, 700)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_every_limit_that_a_contender_names_can_be_measured(network: object) -> None:
    known = catalogue.everyone(network)  # type: ignore[arg-type]

    assert {contender.limit for contender in known.values()} - {None} <= known.keys()
    assert set(catalogue.usual(network)) <= known.keys()  # type: ignore[arg-type]
