"""What changed since the last job: distances, sentences, and the figures that are kept for the next one."""

import json
import math

import numpy as np
import pytest

from jobs.reporting.changes import Distance, changes
from jobs.reporting.figures import Figures, Kept

BINS = 20


def figures(labels: dict[str, int], bad: int = 0, *, surest: float = 0.5, span_s: float = 10.0) -> Figures:
    """`surest`: the share of the labels with a score of 0.95 and more; the others have one below 0.05."""
    good = sum(labels.values())
    sure = round(good * surest)
    confidence = (good - sure, *[0] * (BINS - 2), sure)
    statuses = {"ok": good, **({"truncated": bad} if bad else {})}
    return Figures(good + bad, statuses, labels, confidence, good + bad, span_s)


def test_the_distance_is_the_root_of_jensen_and_shannon_s_divergence() -> None:
    half = Distance.between({"a": 1, "b": 1}, {"a": 1})
    by_hand = 0.5 * (0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25)) + 0.5 * math.log2(1 / 0.75)
    assert half.js == pytest.approx(math.sqrt(by_hand))
    assert Distance.between({"a": 3, "b": 6}, {"b": 200, "a": 100}).js == pytest.approx(0, abs=1e-6)
    assert Distance.between({"a": 3}, {"b": 4}).js == pytest.approx(1)


def test_chance_is_as_far_as_samples_of_one_distribution_are_apart() -> None:
    random = np.random.default_rng(1)
    shares = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.04, 0.03, 0.03])
    found = []
    for _ in range(300):
        now, before = (random.multinomial(size, shares) for size in (2000, 500))
        found.append(
            Distance.between(*(dict(zip("abcdefghij", each.tolist(), strict=True)) for each in (now, before)))
        )
    divergence = np.mean([each.js**2 for each in found])
    assert divergence == pytest.approx(found[0].by_chance ** 2, rel=0.15)
    assert np.mean([each.is_chance for each in found]) > 0.95


def test_what_changed_is_said_in_plain_sentences() -> None:
    before = figures({"cat": 9_900, "dog": 100}, bad=100, surest=0.9, span_s=100)
    now = figures({"cat": 9_700, "dog": 300, "fig": 0}, bad=400, surest=0.6, span_s=52)
    labels, confidence, faults, speed = changes(now, before).says
    assert labels.startswith("3.0 % of photos are now 'dog', 1.0 % before; ")
    assert confidence.startswith("60.0 % of labels have a score of 0.9 or more now, 90.0 % before")
    assert (
        faults
        == "3.8 % of photos have no prediction now, 1.0 % before; 'truncated' changed most: 3.8 % now, 1.0 % before."
    )
    assert speed == "200.0 photos a second now, 101.0 before: 1.98 times as fast."


def test_what_may_be_chance_is_said_to_be_as_before() -> None:
    labels, confidence, *_ = changes(figures({"cat": 52, "dog": 48}), figures({"cat": 48, "dog": 52})).says
    assert labels.startswith("Labels are spread as before, as far as so many photos can tell")
    assert confidence.startswith("Confidence is spread as before")


def test_the_labels_that_changed_most_come_first_and_new_ones_are_counted() -> None:
    found = changes(figures({"cat": 50, "owl": 50}), figures({"cat": 60, "dog": 40}))
    assert [(each.label, each.now, each.before) for each in found.shifts] == [
        ("owl", 0.5, 0.0),
        ("dog", 0.0, 0.4),
        ("cat", 0.5, 0.6),
    ]
    assert "1 new among the labels, 1 gone" in found.says[0]


def test_jobs_without_labels_are_held_against_each_other_by_faults_and_speed() -> None:
    now, before = (Figures(100, {"ok": 100}, {}, (), 0, 0.0) for _ in range(2))
    found = changes(now, before)
    assert found.says == ["0.0 % of photos have no prediction now, 0.0 % before."]
    assert (found.labels, found.shifts) == (None, ())


def test_of_an_output_that_grew_only_what_was_added_counts() -> None:
    first, both = figures({"cat": 10}, bad=1), figures({"cat": 12, "dog": 5}, bad=1, span_s=30.0)
    kept = Kept("r", "j", "flowers", 3, "Production", both, first)
    assert kept.added.by_label == {"cat": 2, "dog": 5}
    assert (kept.added.rows, kept.added.bad, kept.added.span_s) == (7, 0, 20.0)


KEPT = Kept("run", "job", "flowers", 3, "Production", figures({"<b>": 3}, bad=2), figures({"cat": 1}))


def test_figures_are_read_back_as_they_were_kept() -> None:
    assert Kept.read(json.dumps(KEPT.document()).encode()) == KEPT


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"run_id": 3},
        {"figures": None},
        {"figures": {**KEPT.document()["figures"], "rows": -1}},
        {"figures": {**KEPT.document()["figures"], "rows": 10**400}},
        {"figures": {**KEPT.document()["figures"], "by_label": ["cat"]}},
        {"figures": {**KEPT.document()["figures"], "by_label": {"cat": "many"}}},
        {"figures": {**KEPT.document()["figures"], "confidence": [1, 2]}},
        {"figures": {**KEPT.document()["figures"], "span_s": math.nan}},
    ],
    ids=str,
)
def test_what_is_no_job_s_figures_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Kept.read(json.dumps({**KEPT.document(), **damage}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"x"'])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Kept.read(content)
