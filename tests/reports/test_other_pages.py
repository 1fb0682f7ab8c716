"""The pages of evaluations and comparisons: what they say, and that they are made again from what the runs keep."""

from pathlib import Path

import pandas as pd
import pytest

from jobs import InputError, reports
from jobs.evaluation import kept, metrics
from jobs.evaluation.measure import Truth
from jobs.evaluation.of_classifier import MEASURE
from jobs.reporting.cards import Answer, Card
from jobs.reporting.evaluation_page import Bin, Evaluated, Matrix, OfClass, Pair, evaluation_page
from jobs.reporting.gathering import Photo
from registry import JobKind, Outcome
from registry.tags import RUN_JOB
from tests.reports.html import Page
from tests.reports.shop import LABELS, SHOWN, Shop

HOSTILE = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}\u202e"


def text_of(page: str) -> str:
    return " ".join(" ".join(Page(page).text).split())


def test_an_evaluation_s_page_says_how_often_it_is_right_and_shows_where_it_is_not(shop: Shop) -> None:
    page = shop.pages["evaluation"].read_text()
    text = text_of(page)
    assert "of 63 labelled photos were answered rightly" in text
    assert "The expected calibration error is" in text
    cards = [str(image["alt"]) for image in Page(page).all("img")]
    assert cards
    assert all(", answered: " in alt and ", labelled: " in alt for alt in cards)
    wrong = [
        alt
        for alt in cards
        if alt.partition("labelled: ")[2] == alt.partition("answered: ")[2].partition(",")[0]
    ]
    assert wrong == []
    assert "Photos by their label, a row each, and by the answer, a column each" in text


def test_a_comparison_s_page_shows_both_answers_side_by_side(shop: Shop) -> None:
    page = Page(shop.pages["comparison"].read_text())
    alternatives = [str(image["alt"]) for image in page.all("img")]
    assert alternatives
    for alt in alternatives:
        a, b = (alt.partition(f", {side}: ")[2].partition(",")[0] for side in "ab")
        assert a != b
        assert {a, b} <= set(LABELS)
        assert alt.rpartition("labelled: ")[2] in SHOWN
    text = " ".join(" ".join(page.text).split())
    assert "McNemar's exact test gives p =" in text
    assert f"{len(alternatives)} of {len(alternatives)} photos that differ" in text


@pytest.mark.parametrize("name", ["evaluation", "comparison", "report"])
def test_a_run_s_page_is_made_again_from_what_it_keeps(shop: Shop, name: str, tmp_path: Path) -> None:
    made = reports.report(shop.registry, shop.runs[name], str(tmp_path / "again.html"))
    again = made.page.replace(str(shop.folder), "/data")
    before = shop.pages[name].read_text()
    assert Page(again).all("img") == Page(before).all("img")
    assert [line for line in Page(again).text if "Made by" not in line and "worker-1" not in line][:200] == [
        line for line in Page(before).text if "Made by" not in line and "worker-1" not in line
    ][:200]


def test_a_comparison_is_known_by_its_output_too(shop: Shop, tmp_path: Path) -> None:
    made = reports.report(shop.registry, str(shop.folder / "compared"), str(tmp_path / "again.html"))
    assert made.output == str(shop.folder / "compared")
    assert "Where they differ" in made.page


def test_of_many_classes_the_most_confused_pairs_are_shown_and_labels_are_text(shop: Shop) -> None:
    """Labels that readers of CSV take for nothing, among them."""
    names = ["null", "NA", "", *(f"class {i}" for i in range(997))]
    truth = list(range(40)) * 3
    answered = [*range(40), *[(i + 1) % 40 for i in range(40)], *range(40)]
    photos = pd.DataFrame(
        {
            "file": [f"{i}.jpg" for i in range(120)],
            "class_index": truth,
            "predicted_index": answered,
            "score": 0.7,
        }
    ).assign(in_top5=True, status="ok", error=None)
    figures = metrics.figures(photos, metrics.by_class(photos, names))
    said = {"requested": "models:/flowers/1", "images": "/nowhere", "labels": "x.csv", "dataset": "x"}
    version = shop.registry.resolve("models:/flowers/1")
    run_id = shop.registry.start_run("nights", "evaluate", {**said, RUN_JOB: JobKind.EVALUATION}, version)
    run = shop.registry.run(run_id).once_said(Outcome(metrics=figures))
    kept.keep(shop.registry, photos, MEASURE, Truth(names, {}), run, pytest.fail)
    shop.registry.finish_run(run_id, Outcome(metrics=figures))
    again = reports.report(shop.registry, run_id).page
    text = text_of(again)
    assert (
        "40 classes have photos, too many for a matrix. Of 40 pairs that were confused, the most frequent"
        in text
    )
    assert "The 30 least accurate of 40 classes" in text
    rows = [part.partition("</tr>")[0] for part in again.split("<tr>")]
    assert any("<bdi>null</bdi>" in row and "<bdi>NA</bdi>" in row for row in rows)


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [(JobKind.EVALUATION, r"has no photos\.csv"), (JobKind.COMPARISON, "says RUNNING and has no '")],
)
def test_a_run_that_did_not_come_to_its_figures_is_told(shop: Shop, kind: JobKind, lacks: str) -> None:
    version = shop.registry.resolve("models:/flowers/1")
    run_id = shop.registry.start_run("nights", "job", {RUN_JOB: kind}, version)
    with pytest.raises(InputError, match=lacks):
        reports.report(shop.registry, run_id)


def test_what_others_named_is_text_on_these_pages_too() -> None:
    figures = dict.fromkeys(("top1", "top1_low", "top1_high", "top5", "mean_class_accuracy"), 0.5)
    figures |= {"photos": 3.0, "worst_class_accuracy": 0.0, "ece": 0.1, "mean_confidence": 0.6}
    page = evaluation_page(
        Evaluated(
            title=HOSTILE,
            facts=[("images", HOSTILE)],
            metrics=figures,
            by_status={"ok": 2, HOSTILE: 1},
            matrix=Matrix([HOSTILE, "b"], [[1, 1], [0, 0]]),
            pairs=[Pair(HOSTILE, HOSTILE, 1)],
            all_pairs=1,
            classes=[OfClass(HOSTILE, 2, 1)],
            all_classes=1,
            bins=[Bin(0.6, 0.5, 2)],
            mistakes=[
                Card(HOSTILE, HOSTILE, [Answer("answered", HOSTILE, 0.7), Answer("labelled", HOSTILE)])
            ],
            bad=[Photo(HOSTILE, HOSTILE, error=HOSTILE)],
            pictures={HOSTILE: "data:image/jpeg;base64,AAAA"},
        )
    )
    read = Page(page)
    assert read.all("script", "iframe", "object", "link", "base", "form") == []
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}\\u202e" in "".join(read.text)
    assert len(read.all("img")) == 1
