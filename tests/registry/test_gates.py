"""What a stage asks for: files of gates, and versions held against them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from registry import (
    Comparison,
    EventKind,
    Evidence,
    GateRefused,
    Gates,
    ModelVersion,
    Registry,
    Stage,
    UserError,
    Verdict,
    tags,
)
from registry.gates import FOUND_CHARS, LEDGER_CHARS

from .conftest import PackageMaker, seal

DIGEST = "ab12" * 16
Judge = Callable[[str], list[Verdict]]


@pytest.fixture
def declared(tmp_path: Path) -> Callable[[str], Gates]:
    def write(text: str) -> Gates:
        file = tmp_path / "gates.toml"
        file.write_text(text)
        return Gates.load(file)

    return write


def evidence(
    days: float = 0, digest: str = DIGEST, precision: str = "f32", **metrics: float
) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(days=days)
    return Evidence("shop", digest, precision, "f" * 32, at, metrics).as_tags()


def version(number: int, said: dict[str, str]) -> ModelVersion:
    now = datetime.now(UTC)
    packaged = {"stagewright.manifest_digest": "0" * 64}
    return ModelVersion("flowers", number, Stage.NONE, "READY", now, now, "s3://there", tags=packaged | said)


def judged(gates: Gates, mine: dict[str, str], theirs: dict[str, str] | None = None) -> list[Verdict]:
    current = None if theirs is None else version(1, theirs)
    return list(gates.of("Production").judge(version(2, mine), current))


METRIC = '[[Production.metrics]]\nmetric = "top1"\ndataset = "shop"\n'


# --- figures


@pytest.mark.parametrize(("value", "passed"), [(0.85, True), (0.8499, False), (float("nan"), False)])
def test_a_floor_lets_pass_what_reaches_it(declared, value: float, passed: bool) -> None:
    [verdict] = judged(declared(METRIC + "threshold = 0.85"), evidence(top1=value))
    assert verdict.passed is passed
    assert verdict.found == f"{value:.4g}"
    assert verdict.wanted == ">= 0.85 on shop at f32"
    assert verdict.run_id == "f" * 32


def test_where_less_is_better_the_floor_is_a_ceiling(declared) -> None:
    gates = declared(METRIC + "threshold = 0.2\ngreater_is_better = false")
    assert [judged(gates, evidence(top1=value))[0].passed for value in (0.2, 0.21)] == [True, False]


@pytest.mark.parametrize("other", [{}, evidence(precision="bf16", top1=0.99)])
def test_without_evidence_a_gate_fails_and_says_how_to_get_it(declared, other: dict[str, str]) -> None:
    [verdict] = judged(declared(METRIC + "threshold = 0.85"), other)
    assert not verdict.passed
    assert verdict.found == "not evaluated"
    assert (
        verdict.next_step == "stagewright evaluate models:/flowers/2 --images DIR --labels CSV --dataset shop"
    )


def test_a_metric_that_the_evaluation_does_not_have_is_named_beside_those_it_has(declared) -> None:
    [verdict] = judged(declared(METRIC + "threshold = 0.85"), evidence(top5=0.99))
    assert (verdict.passed, verdict.found) == (False, "no top1; there are top5")


@pytest.mark.parametrize(
    ("asked", "value", "before", "passed"),
    [
        ("min_absolute_change = 0.01", 0.9, 0.88, True),
        ("min_absolute_change = 0.01", 0.885, 0.88, False),
        ("min_relative_change = 0.1", 0.55, 0.5, True),
        ("min_relative_change = 0.1", 0.54, 0.5, False),
        ("min_relative_change = 0.1", 0.0, 0.0, False),  # MLflow: then simply better, by 1e-10
        ("min_relative_change = 0.1", 0.001, 0.0, True),
        ("min_relative_change = 0.1", -0.85, -1.0, True),  # of the magnitude
        ("min_relative_change = 0.1\ngreater_is_better = false", 0.44, 0.5, True),
        ("min_relative_change = 0.1\ngreater_is_better = false", 0.55, 0.5, False),
        ("max_drop = 0.01", 0.875, 0.88, True),
        ("max_drop = 0.01", 0.89, 0.90, True),  # 0.90 - 0.89 > 0.01 in floating point
        ("max_drop = 0.01", 0.86, 0.88, False),
        ("max_drop = 0.01\ngreater_is_better = false", 0.9, 0.88, False),
        ("max_drop = 0", 0.88, 0.88, True),
        ("min_relative_change = 0.1", float("nan"), 0.5, False),
        ("min_absolute_change = 0.1", float("nan"), 0.5, False),
    ],
)
def test_a_change_is_held_against_the_version_that_is_there(
    declared, asked: str, value: float, before: float, passed: bool
) -> None:
    [verdict] = judged(declared(METRIC + asked), evidence(top1=value), evidence(top1=before))
    assert verdict.passed is passed
    assert verdict.found.startswith(f"{value:.4g}, version 1 {before:.4g} (")


def test_the_first_version_of_a_stage_has_nothing_to_be_compared_with(declared) -> None:
    asked = METRIC + "max_drop = 0\n[[Production.comparisons]]\ndataset = 'shop'\nmin_agreement = 0.9\n"
    verdicts = judged(declared(asked + "[Production]\nschema = 'same'"), {})
    assert [(verdict.passed, verdict.found) for verdict in verdicts] == [
        (True, "no version to compare with")
    ] * 3


def test_figures_from_other_photos_are_no_comparison(declared) -> None:
    gates = declared(METRIC + "max_drop = 0")
    [verdict] = judged(gates, evidence(top1=0.9), evidence(top1=0.8, digest="cd" * 32))
    assert (verdict.passed, verdict.found) == (False, "version 1: evaluated on other photos")
    [verdict] = judged(gates, evidence(top1=0.9), {})
    assert (verdict.passed, verdict.found) == (False, "version 1: not evaluated")
    assert "models:/flowers/1 " in verdict.next_step


EVIDENCE = '[[Production.evidence]]\ndataset = "shop"\n'


@pytest.mark.parametrize(
    ("asked", "days", "passed"),
    [
        ("max_age_days = 30", 29, True),
        ("max_age_days = 30", 31, False),
        (f'digest = "{DIGEST}"', 400, True),
        (f'digest = "{DIGEST[:12]}"', 400, True),
        ('digest = "0123456789"', 0, False),
        ('precision = "bf16"', 0, False),
    ],
)
def test_evidence_is_of_these_photos_and_fresh(declared, asked: str, days: float, passed: bool) -> None:
    [verdict] = judged(declared(EVIDENCE + asked), evidence(days, top1=0.9))
    assert verdict.passed is passed
    assert bool(verdict.next_step) is not passed


def measured(**agreements: float) -> dict[str, str]:
    said = {tags.measured(name, "agreement"): str(value) for name, value in agreements.items()}
    return said | {tags.PRECISIONS: "f32,bf16,int8"}


@pytest.mark.parametrize(
    ("asked", "said", "passed", "found"),
    [
        ("", measured(bf16=0.99, int8=0.96), True, "bf16 0.99, int8 0.96"),
        ("", measured(bf16=0.99, int8=0.94), False, "bf16 0.99, int8 0.94"),
        ('only = ["bf16"]', measured(bf16=0.99, int8=0.5), True, "bf16 0.99"),
        ("", measured(bf16=0.99), False, "bf16 0.99, int8 not measured"),
        ("", {tags.PRECISIONS: "f32"}, True, "f32 only"),
        ('only = ["int8"]', {tags.PRECISIONS: "f32"}, False, "int8 not measured"),
    ],
)
def test_every_registered_precision_agrees_or_the_named_ones(declared, asked, said, passed, found) -> None:
    [verdict] = judged(declared(f"[Production.precisions]\nmin_agreement = 0.95\n{asked}"), said)
    assert (verdict.passed, verdict.found) == (passed, found)


def comparison(against: int = 1, days: float = 0, **metrics: float) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(days=days)
    return Comparison(against, "shop", DIGEST, "f" * 32, at, metrics).as_tags()


COMPARED = '[[Production.comparisons]]\ndataset = "shop"\n'


@pytest.mark.parametrize(
    ("asked", "said", "passed", "found"),
    [
        ("min_agreement = 0.9", comparison(agreement=0.9), True, "0.9"),
        ("min_agreement = 0.9", comparison(agreement=0.89), False, "0.89"),
        ("min_agreement = 0.9", comparison(against=7, agreement=1.0), False, "not compared with version 1"),
        ("min_agreement = 0.9", {}, False, "not compared with version 1"),
        ("min_agreement = 0.9", comparison(other=1.0), False, "no agreement; there are other"),
        ("not_worse_p = 0.05", comparison(agreement=1.0), False, "no mcnemar_p; there are agreement"),
        ("not_worse_p = 0.05", comparison(mcnemar_p=float("nan")), False, "no mcnemar_p; there are none"),
    ],
)
def test_a_comparison_is_with_the_version_that_is_there(declared, asked, said, passed, found) -> None:
    [verdict] = judged(declared(COMPARED + asked), said, {})
    assert (verdict.passed, verdict.found) == (passed, found)
    assert verdict.next_step.startswith("stagewright compare models:/flowers/1 models:/flowers/2") is (
        "not compared" in found
    )


def test_an_old_comparison_does_not_count(declared) -> None:
    gates = declared(COMPARED + "min_agreement = 0.5\nmax_age_days = 3")
    assert judged(gates, comparison(days=2, agreement=1.0), {})[0].passed
    [verdict] = judged(gates, comparison(days=4, agreement=1.0), {})
    assert not verdict.passed
    assert "4 days ago" in verdict.found


@pytest.mark.parametrize(
    ("better", "worse", "p", "passed"),
    [(2, 9, 0.03, False), (9, 2, 0.03, True), (2, 5, 0.4, True), (0, 0, 1.0, True)],
)
def test_only_a_version_that_is_significantly_worse_fails(declared, better, worse, p, passed) -> None:
    from registry.gates.comparing import MCNEMAR_P, ONLY_CANDIDATE_RIGHT, ONLY_OTHER_RIGHT

    said = comparison(**{MCNEMAR_P: p, ONLY_CANDIDATE_RIGHT: better, ONLY_OTHER_RIGHT: worse})
    [verdict] = judged(declared(COMPARED + "not_worse_p = 0.05"), said, {})
    assert verdict.passed is passed
    assert verdict.found == f"better on {better}, worse on {worse} photos, p {p:.3g}"


# --- facts


@pytest.mark.parametrize(
    ("asked", "said", "passed"),
    [
        ("owner = true", {"owner": "ann"}, True),
        ("owner = true", {}, False),
        ("owner = true", {"owner": ""}, False),
        ('licence = "MIT"', {"licence": "MIT"}, True),
        ('licence = "MIT"', {"licence": "GPL"}, False),
        ('"a.b" = "x"', {"a.b": "x"}, True),
    ],
)
def test_a_tag_is_there_or_has_the_value(declared, asked, said, passed) -> None:
    [verdict] = judged(declared(f"[Production.tags]\n{asked}"), said)
    assert verdict.passed is passed


def test_pickles_are_refused_and_so_is_what_nobody_knows(declared) -> None:
    gates = declared("[Production]\nno_pickle = true")
    ours = {tags.MANIFEST_DIGEST: DIGEST, tags.PICKLED: "none"}
    assert judged(gates, ours)[0].passed
    assert judged(gates, ours | {tags.PICKLED: "transform"})[0].found == "transform"
    assert not judged(gates, ours | {tags.PICKLED: "transform"})[0].passed
    foreign = replace(version(2, {}), tags={})
    assert not gates.of("Production").judge(foreign, None)[0].passed


BEFORE = ModelSignature(
    Schema([ColSpec("binary", "content")]),
    Schema([ColSpec("string", "label"), ColSpec("double", "score")]),
    ParamSchema([ParamSpec("top_k", "integer", 5)]),
)


def signed_package(package: PackageMaker, signature: ModelSignature) -> Path:
    directory = package()
    model = mlflow.models.Model.load(str(directory))
    model.signature = signature
    model.save(str(directory / "MLmodel"))
    return seal(directory)


def changed(**parts: object) -> ModelSignature:
    said = {"inputs": BEFORE.inputs, "outputs": BEFORE.outputs, "params": BEFORE.params}
    return ModelSignature(**(said | parts))  # type: ignore[arg-type]


MORE_OUTPUT = Schema([*BEFORE.outputs, ColSpec("string", "status")])
OPTIONAL_INPUT = Schema([*BEFORE.inputs, ColSpec("string", "path", required=False)])
NEEDED_INPUT = Schema([*BEFORE.inputs, ColSpec("string", "path")])
OTHER_TYPE = Schema([ColSpec("string", "label"), ColSpec("float", "score")])


@pytest.mark.parametrize(
    ("signature", "same", "additions", "found"),
    [
        (BEFORE, True, True, "as version 1"),
        (changed(outputs=MORE_OUTPUT), False, True, "output 'status' is new"),
        (changed(inputs=OPTIONAL_INPUT), False, True, "input 'path' is new"),
        (changed(inputs=NEEDED_INPUT), False, False, "input 'path' is new"),
        (changed(outputs=OTHER_TYPE), False, False, "output 'score' changed"),
        (changed(params=None), False, False, "param 'top_k' is gone"),
    ],
)
def test_a_schema_is_the_same_or_breaks_nobody(
    declared,
    sqlite_reg: Registry,
    package: PackageMaker,
    name: str,
    signature: ModelSignature,
    same: bool,
    additions: bool,
    found: str,
) -> None:
    old = sqlite_reg.register(signed_package(package, BEFORE), name).version
    new = sqlite_reg.register(signed_package(package, signature), name).version
    assert json.loads(str(old.schema))["inputs"][0]["name"] == "content"
    verdicts = {
        word: declared(f'[Production]\nschema = "{word}"').of("Production").judge(new, old)[0]
        for word in ("same", "additions")
    }
    assert [verdict.passed for verdict in verdicts.values()] == [same, additions]
    assert verdicts["same"].found == found


def test_a_version_whose_schema_nobody_kept_does_not_pass(declared) -> None:
    [verdict] = judged(declared("[Production]\nschema = 'same'"), {tags.SCHEMA: "{}"}, {})
    assert (verdict.passed, verdict.found) == (False, "version 1: not known")


# --- files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[Prodution]", "'Prodution' is no stage with gates; there are Staging, Production"),
        ("[Archived]", "'Archived' is no stage with gates"),
        ("Production = 1", "'Production' is not a table: 1"),
        ("[Production]\nnopickle = true", r"\[Production\] 'nopickle' is unknown here; there are"),
        ("[Production]\nno_pickle = 'yes'", "'no_pickle' is not true or false: 'yes'"),
        ("[Production]\nschema = 'equal'", "'equal' is none of same, additions"),
        ("[Production]\nmetrics = 3", r"'metrics' is no table: 3; write \[\[Production.metrics\]\]"),
        (METRIC, "'top1' is asked for nothing; give threshold"),
        (METRIC + "treshold = 0.8", r"\[Production.metrics\] 'treshold' is unknown here"),
        (METRIC + "threshold = '0.8'", "'threshold' is no number: '0.8'"),
        (METRIC + "threshold = true", "'threshold' is no number: True"),
        (METRIC + "threshold = nan", "'threshold' is no number: nan"),
        (METRIC + "min_relative_change = 5", "'min_relative_change' 5 is not between 0 and 1"),
        (METRIC + "min_absolute_change = 0", "must be above 0; for `not worse` write max_drop = 0"),
        (METRIC + "threshold = 1\ndigest = 'ab'", "'ab' is shorter than 8 characters"),
        ("[[Production.metrics]]\nmetric = 'top1'\nthreshold = 1", "'dataset' is missing"),
        ("[[Production.evidence]]\ndataset = 'a.b'", r"\[Production.evidence\] 'a.b' cannot name a data set"),
        (COMPARED, "'shop' is asked for nothing; give min_agreement or not_worse_p"),
        ("[Production.precisions]\nonly = ['bf16']", "'min_agreement' is missing"),
        ("[Production.precisions]\nonly = [1]", "'only' is no list of texts"),
        ("[Production.tags]\nowner = false", "'owner' is neither true"),
        ("[Production", "is not TOML"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_file_table_and_key(declared, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        declared(text)
    assert "gates.toml" in str(told.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        Gates.load(tmp_path / "gates.toml")
    with pytest.raises(UserError, match="cannot be read"):
        Gates.load(tmp_path)


def test_a_stage_that_the_file_does_not_mention_asks_for_nothing(declared) -> None:
    assert declared("[Production]\nno_pickle = true").of("Staging").judge(version(2, {}), None) == []


def test_more_gates_than_the_ledger_can_tell_of_are_refused_on_reading(declared) -> None:
    def tagged(count: int) -> str:
        return "[Production.tags]\n" + "".join(f'"team-{place}" = true\n' for place in range(count))

    fits = declared(tagged(12)).of("Production")
    assert len(fits.gates) == 12
    with pytest.raises(UserError, match=rf"has 30 gates, .* one event of the ledger keeps {LEDGER_CHARS}"):
        declared(tagged(30))


# --- promotions

PRODUCTION = """
[Production]
no_pickle = true
[[Production.metrics]]
metric = "top1"
dataset = "shop"
threshold = 0.8
min_relative_change = 0.01
"""


def test_a_better_version_passes_and_a_worse_one_is_refused_with_figures_and_recorded(
    declared, reg: Registry, package: PackageMaker, name: str
) -> None:
    judge = declared(PRODUCTION).of("Production")
    for top1 in (0.90, 0.92, 0.91):
        made = reg.register(package(), name).version
        reg.set_version_tags(made, evidence(top1=top1))
    assert reg.promote(name, 1, "Production", judge=judge).event is not None
    better = reg.promote(name, 2, "Production", judge=judge)
    assert [verdict.passed for verdict in better.verdicts] == [True, True, True]
    assert better.verdicts[1].found == "0.92, version 1 0.9 (+0.02)"
    with pytest.raises(GateRefused) as refused:
        reg.promote(name, 3, "Production", judge=judge)
    failed = [verdict for verdict in refused.value.verdicts if not verdict.passed]
    assert [(verdict.gate, verdict.found) for verdict in failed] == [
        ("top1-min_relative_change", "0.91, version 2 0.92 (-0.01)")
    ]
    assert reg.resolve(f"models:/{name}/Production").number == 2
    forced = reg.promote(name, 3, "Production", "the shop closes tonight", judge=judge, force=True)
    assert forced.version.number == 3
    told = reg.history(name)[-2:]
    assert [event.kind for event in told] == [EventKind.REFUSED, EventKind.OVERRIDDEN]
    for event in told:
        kept = [Verdict.read(verdict) for verdict in event.more["gates"]]
        assert [verdict.found for verdict in kept] == [v.found for v in refused.value.verdicts]


def test_as_many_gates_as_a_file_may_have_fit_into_the_ledger_with_the_longest_reason(
    declared, sqlite_reg: Registry, package: PackageMaker, name: str
) -> None:
    said = {f"quoted-{place}": '"\\' * 60 for place in range(11)}
    judge = declared(
        "[Production.tags]\n" + "".join(f'{key} = "other values than that"\n' for key in said)
    ).of("Production")
    sqlite_reg.register(package(), name, said)
    done = sqlite_reg.promote(name, 1, "Production", "x" * 2000, judge=judge, force=True)
    for verdict in done.verdicts:
        assert len(json.dumps(verdict.found)) - 2 <= FOUND_CHARS
        assert verdict.found.endswith("...")
    model = sqlite_reg._client.model(name)
    assert max(len(value) for value in model.tags.values()) <= 5000
