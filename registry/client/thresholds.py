"""MLflow's own answer to whether one figure is better than another by enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow.models import MetricThreshold
from mlflow.models.evaluation import EvaluationResult
from mlflow.models.evaluation.validation import ModelValidationFailedException, validate_evaluation_results

_METRIC = "metric"


def holds(changes: Mapping[str, float], value: float, before: float, greater_is_better: bool) -> bool:
    """Whether `value` passes `mlflow.validate_evaluation_results` against `before`.

    `changes` are arguments of `mlflow.models.MetricThreshold`: min_absolute_change, min_relative_change.
    """
    threshold = MetricThreshold(greater_is_better=greater_is_better, **changes)  # type: ignore[no-untyped-call]
    candidate: Any = EvaluationResult({_METRIC: value}, {})  # type: ignore[no-untyped-call]
    baseline: Any = EvaluationResult({_METRIC: before}, {})  # type: ignore[no-untyped-call]
    try:
        validate_evaluation_results({_METRIC: threshold}, candidate, baseline)
    except ModelValidationFailedException:
        return False
    return True
