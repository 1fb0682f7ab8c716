"""What other tools logged is scored, evaluated and gated as packaged versions are, once somebody lets it in."""

import json
from pathlib import Path

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs import InputError
from jobs.cli import main
from jobs.scoring.inputs import Signature, fits
from pyfunc_models.foreign.packing import MISSING, package_foreign
from registry import Registry
from registry.gates.evidence import comparisons_of, evidence_of

from .foreign import COLUMNS, Temper, flowers, register_sklearn, save_keras, save_onnx


def hosted(model: Path, folder: Path) -> mlflow.pyfunc.PyFuncModel:
    """A saved model as workers get it."""
    signature = Signature.of(model, "it")
    made = package_foreign(model, signature.told, signature.outputs, folder / "host" / "model")
    return mlflow.pyfunc.load_model(str(made))


def rows(**columns: object) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    return table.assign(**{MISSING: ""}) if MISSING not in table else table


def test_a_version_of_scikit_learn_is_scored_goes_on_is_evaluated_for_gates_and_compared(
    spark, fixture, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = register_sklearn("flowers")
    table = flowers()
    column = dict(zip(("length", "width"), map(F.col, COLUMNS), strict=True))
    odd = {
        COLUMNS[0]: F.when(F.col("id") != 3, column["length"]),
        COLUMNS[1]: F.when(F.col("id") == 7, F.lit(float("nan"))).otherwise(column["width"]),
    }
    spark.createDataFrame(table).withColumns(odd).write.parquet(str(tmp_path / "table"))
    asked = [
        "score",
        "models:/flowers/1",
        "--input",
        str(tmp_path / "table"),
        "--input-format",
        "parquet",
        "--keep",
        "id",
    ]
    asked += ["--output", str(tmp_path / "scored"), "--json"]
    capsys.readouterr()
    assert main(asked) == 1
    assert "say --allow-foreign" in capsys.readouterr().err
    allowed = [*asked, "--allow-foreign", "--max-error-rate", "0.1"]
    assert main(allowed) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["by_status"] == {"ok": 58, "missing": 1, "unsupported": 1}
    scored = spark.read.parquet(str(tmp_path / "scored")).orderBy("id").toPandas().set_index("id")
    good = scored["status"] == "ok"
    expected = model.predict(table[list(COLUMNS)][good.to_numpy()])
    assert [answer["output"] for answer in scored["prediction"][good]] == expected.tolist()
    assert scored["error"][3] == "input 'length' is null"
    assert scored["error"][7].startswith("the model raised ValueError: Input X contains NaN")
    assert set(scored["model_version"]) == {1}
    assert set(scored["model_digest"]) == {said["model_digest"]}
    assert len(said["model_digest"]) == 64
    assert main(allowed) == 0
    assert "Nothing new" in capsys.readouterr().err

    labels = ["--input", str(tmp_path / "table"), "--input-format", "parquet", "--label-column", "species"]
    assert main(["evaluate", "models:/flowers/1", *labels, "--dataset", "field"]) == 1
    capsys.readouterr()
    assert main(["evaluate", "models:/flowers/1", *labels, "--dataset", "field", "--allow-foreign",
                 "--max-error-rate", "0.1", "--json"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)["metrics"]
    right = (expected == table["species"][good.to_numpy()]).sum()
    assert found["accuracy"] == right / 60
    [evidence] = evidence_of(Registry().resolve("models:/flowers/1"))
    assert evidence.metrics["accuracy"] == pytest.approx(found["accuracy"])
    Path("gates.toml").write_text(
        '[[Production.metrics]]\nmetric = "accuracy"\ndataset = "field"\nthreshold = 0.9\n'
    )
    assert main(["promote", "flowers", "1", "Production"]) == 0

    register_sklearn("flowers", upside_down=True)
    rows = [
        "--input",
        str(tmp_path / "table"),
        "--input-format",
        "parquet",
        "--keep",
        "id",
        "--dataset",
        "field",
    ]
    asked = [
        "compare",
        "models:/flowers/1",
        "models:/flowers/2",
        *rows,
        "--output",
        str(tmp_path / "compared"),
    ]
    assert main(asked) == 1
    capsys.readouterr()
    assert main([*asked, "--allow-foreign", "--max-error-rate", "0.1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["metrics"] == {"rows": 60, "agreement": 0, "disagreements": 58}
    assert said["statuses"]["a"] == {"ok": 58, "missing": 1, "unsupported": 1}
    compared = spark.read.parquet(str(tmp_path / "compared"))
    assert compared.where("agree is null").count() == 2
    assert compared.where("a.answer + b.answer = 1 and not agree").count() == 58
    [comparison] = comparisons_of(Registry().resolve("models:/flowers/2"))
    assert (comparison.against, comparison.metrics["agreement"]) == (1, 0)


def test_a_batch_that_fails_is_halved_until_the_row_is_found(tmp_path: Path) -> None:
    inputs = pd.DataFrame({"number": np.arange(3)})
    signature = infer_signature(inputs, pd.DataFrame({"twice": np.arange(3), "said": list("abc")}))
    mlflow.pyfunc.save_model(
        tmp_path / "temper", python_model=Temper(), signature=signature, pip_requirements=["mlflow"]
    )
    missing = ["", "", "number", ""] + [""] * 12
    numbers = [*range(2), None, *range(3, 16)]
    found = hosted(tmp_path / "temper", tmp_path).predict(rows(number=numbers, **{MISSING: missing}))
    status = found["status"].tolist()
    assert status == ["ok"] * 2 + ["missing"] + ["ok"] * 10 + ["unsupported"] + ["ok"] * 2
    assert found["error"][13] == "the model raised ValueError: 13 is not for me, among 1"
    assert found["error"][2] == "input 'number' is null"
    assert found["twice"].tolist() == [0, 2, 0, *(2 * n for n in range(3, 13)), 0, 28, 30]
    assert (found["said"][0], found["said"][13]) == ("hello 0", "")


def test_tensors_by_name_go_into_onnx_and_come_out_as_arrays(tmp_path: Path) -> None:
    matrix = save_onnx(tmp_path / "onnx")
    x = np.random.default_rng(2).normal(size=(5, 4))
    found = hosted(tmp_path / "onnx", tmp_path).predict(rows(x=list(x)))
    logits = x.astype(np.float32) @ matrix
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack(found["scores"]), expected, atol=1e-6)
    [only] = Signature.of(tmp_path / "onnx", "it").inputs
    assert (only.name, only.type.simpleString()) == ("x", "array<float>")


def test_one_tensor_without_a_name_goes_into_keras(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    model = save_keras(tmp_path / "keras")
    pixels = np.random.default_rng(3).normal(size=(6, 8, 8, 1)).astype(np.float32)
    nested = [[[np.array(cell) for cell in row] for row in image] for image in pixels]
    column = pd.Series(
        [np.array([np.array([*row, None], object)[:-1] for row in each], object) for each in nested]
    )
    found = hosted(tmp_path / "keras", tmp_path).predict(rows(**{"": column}))
    assert found["status"].tolist() == ["ok"] * 6
    np.testing.assert_allclose(np.stack(found["output"]), model.predict(pixels, verbose=0), atol=1e-5)
    [only] = Signature.of(tmp_path / "keras", "it").inputs
    assert only.type.simpleString() == "array<array<array<float>>>"


def test_a_version_whose_signature_says_too_little_is_refused_by_name(tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(tmp_path / "bare", python_model=Temper(), pip_requirements=["mlflow"])
    with pytest.raises(InputError, match=r"it has no signature of its inputs.*infer_signature"):
        Signature.of(tmp_path / "bare", "it")
    taken = infer_signature(pd.DataFrame({"number": [1]}), pd.DataFrame({"status": ["x"]}))
    mlflow.pyfunc.save_model(
        tmp_path / "taken", python_model=Temper(), signature=taken, pip_requirements=["mlflow"]
    )
    with pytest.raises(InputError, match="an output called 'status', as predictions have a column"):
        Signature.of(tmp_path / "taken", "it")


@pytest.mark.parametrize(
    ("have", "want", "goes"),
    [
        (T.IntegerType(), T.LongType(), True),
        (T.LongType(), T.IntegerType(), False),
        (T.LongType(), T.DoubleType(), True),
        (T.DoubleType(), T.FloatType(), True),
        (T.DecimalType(9, 2), T.DoubleType(), True),
        (T.DoubleType(), T.LongType(), False),
        (T.StringType(), T.DoubleType(), False),
        (T.BooleanType(), T.LongType(), False),
        (T.ArrayType(T.DoubleType()), T.ArrayType(T.FloatType()), True),
        (T.ArrayType(T.StringType()), T.ArrayType(T.FloatType()), False),
        (T.DateType(), T.TimestampType(), True),
    ],
    ids=str,
)
def test_a_column_goes_into_an_input_where_no_value_becomes_another(have, want, goes) -> None:
    assert fits(have, want) is goes
