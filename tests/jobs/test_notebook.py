"""In a notebook: a live module becomes a version in one call, and what comes out shows itself, as text and no more."""

from datetime import UTC, datetime

import mlflow
import pytest
import torch
from torchvision.transforms import Compose, Resize, ToTensor

import jobs
from jobs import ComparisonReport, EvaluationReport, ScoreReport
from jobs.comparison.report import Disagreement
from mlruns_fixture import LABELS, PREPROCESS, ColourNet
from pyfunc_models.packaging import PackageOptions, PackagingError
from registry import Evidence, Registry, UserError

EVIL = "<script>alert('x')</script>"


def test_a_live_module_is_registered_in_one_call_from_the_active_run_which_goes_on(registry_uri: str) -> None:
    module = ColourNet().train()
    with mlflow.start_run() as run:
        done = jobs.register(module, "colours", PREPROCESS, LABELS, tags={"note": EVIL})
        assert mlflow.active_run().info.run_id == run.info.run_id
        mlflow.log_metric("after", 1)
    assert (done.created, done.version.number, done.version.source_run_id) == (True, 1, run.info.run_id)
    assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"
    assert module.training
    again = jobs.register(module, "colours", PREPROCESS, LABELS)
    assert (again.created, again.version.number) == (False, 1)
    shown = again._repr_html_()
    assert "This very model was registered already." in shown
    assert "<caption>models:/colours/1</caption>" in shown
    assert EVIL not in shown
    assert "&lt;script&gt;" in shown


def test_torchvisions_transforms_are_taken_as_they_are_and_options_go_along(registry_uri: str) -> None:
    chain = Compose([Resize((32, 32)), ToTensor()])
    options = PackageOptions(kind="embedder", settings={"unit_length": True})
    version = jobs.register(ColourNet(), "vectors", chain, options=options).version
    assert version.settings == {"unit_length": "true"}
    assert Registry().resolve("models:/vectors/1").source_run_id
    with pytest.raises(PackagingError, match="2 labels"):
        jobs.register(ColourNet(), "colours", chain, ["a", "b"])


def test_a_registry_that_is_given_a_module_says_who_takes_one(registry_uri: str) -> None:
    with pytest.raises(UserError, match=r"not Linear\. Register a module by `jobs\.register"):
        Registry().register(torch.nn.Linear(1, 1), "line")  # type: ignore[arg-type]


def scored(name: str) -> ScoreReport:
    return ScoreReport(name, 1, "d" * 64, EVIL, "f" * 32, EVIL, "out", 3, {"ok": 2, "empty": 1}, 1.5)


def test_reports_show_themselves_and_nothing_in_them_is_markup() -> None:
    evidence = Evidence("shop", "e" * 64, "f32", "f" * 32, datetime.now(UTC), {"top1": 0.75})
    reports = [
        scored("a"),
        EvaluationReport(scored("a"), evidence, 2, EVIL),
        ComparisonReport(
            scored("a"), scored("b"), "shop", "e" * 64, True, {"agreement": 0.5},
            [Disagreement(EVIL, EVIL, 0.5, "cat", None, None)],
        ),
    ]  # fmt: skip
    for report in reports:
        shown = report._repr_html_()
        assert EVIL not in shown
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown
    assert "<td>top1</td><td>0.75</td>" in reports[1]._repr_html_()
    assert "2 ok, 1 empty" in reports[0]._repr_html_()
