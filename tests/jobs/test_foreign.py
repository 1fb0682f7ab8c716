"""What other tools logged is scored, evaluated and gated as packaged versions are, once somebody lets it in."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from sklearn.linear_model import LogisticRegression

from jobs import InputError
from jobs.cli import main
from jobs.scoring.inputs import Signature, fits
from mlruns_fixture.build import Fixture
from pyfunc_models.foreign.packing import MISSING, package_foreign
from registry import Registry
from registry.gates.evidence import comparisons_of, evidence_of
from tests.conftest import forget_mlflow_state

from .foreign import COLUMNS, Temper, flowers, register_sklearn, save_keras, save_onnx


def hosted(model: Path, folder: Path) -> mlflow.pyfunc.PyFuncModel:
    """A saved model as workers get it."""
    signature = Signature.of(model, "it")
    made = package_foreign(model, signature.told, signature.outputs, folder / "host" / "model")
    return mlflow.pyfunc.load_model(str(made))


def rows(**columns: object) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    return table.assign(**{MISSING: ""}) if MISSING not in table else table


@dataclass(frozen=True)
class Field:
    """A registry with two versions of scikit-learn's, the second always wrong, and a table with two odd rows."""

    folder: Path
    model: LogisticRegression
    table: pd.DataFrame

    @property
    def rows(self) -> list[str]:
        """The options that name the table."""
        return ["--input", str(self.folder / "table"), "--input-format", "parquet"]

    @property
    def good(self) -> np.ndarray:
        """Which rows can be answered: 3 has no length, and 7 a width that is no number."""
        return ~self.table["id"].isin([3, 7]).to_numpy()

    @property
    def right(self) -> np.ndarray:
        """What the first version says of the rows that can be answered."""
        return self.model.predict(self.table[list(COLUMNS)][self.good])


@contextmanager
def in_its_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With the registry that lies there."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    forget_mlflow_state()
    yield
    forget_mlflow_state()


LET_IN = ["--allow-foreign", "--max-error-rate", "0.1", "--json"]


@pytest.fixture(scope="module")
def made(spark: SparkSession, colours_registry: Fixture, tmp_path_factory: pytest.TempPathFactory) -> Field:
    folder = tmp_path_factory.mktemp("field")
    shutil.copyfile(colours_registry.uri.removeprefix("sqlite:///"), folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, in_its_folder(folder, patch):
        model = register_sklearn("flowers")
        register_sklearn("flowers", upside_down=True)
    length, width = map(F.col, COLUMNS)
    odd = {
        COLUMNS[0]: F.when(F.col("id") != 3, length),
        COLUMNS[1]: F.when(F.col("id") == 7, F.lit(float("nan"))).otherwise(width),
    }
    spark.createDataFrame(flowers()).withColumns(odd).write.parquet(str(folder / "table"))
    return Field(folder, model, flowers())


@pytest.fixture
def field(made: Field, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    with in_its_folder(made.folder, monkeypatch):
        yield made


def test_a_version_of_scikit_learn_is_scored_once_it_is_let_in_and_goes_on(
    spark, field: Field, tmp_path: Path, capsys
) -> None:
    output = str(tmp_path / "scored")
    asked = ["score", "models:/flowers/1", *field.rows, "--keep", "id", "--output", output]
    assert main(asked) == 1
    assert "say --allow-foreign" in capsys.readouterr().err
    assert main([*asked, *LET_IN]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["by_status"] == {"ok": 58, "missing": 1, "unsupported": 1}
    scored = spark.read.parquet(output).orderBy("id").toPandas().set_index("id")
    assert [answer["output"] for answer in scored["prediction"][field.good]] == field.right.tolist()
    assert scored["error"][3] == "input 'length' is null"
    assert scored["error"][7].startswith("the model raised ValueError: Input X contains NaN")
    assert set(scored["model_version"]) == {1}
    assert set(scored["model_digest"]) == {said["model_digest"]}
    assert len(said["model_digest"]) == 64
    assert main([*asked, *LET_IN]) == 0
    assert "Nothing new" in capsys.readouterr().err


def test_a_version_of_scikit_learn_is_evaluated_on_a_table_for_gates(field: Field, capsys) -> None:
    asked = ["evaluate", "models:/flowers/1", *field.rows, "--label-column", "species", "--dataset", "field"]
    assert main(asked) == 1
    capsys.readouterr()
    assert main([*asked, *LET_IN]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert found["accuracy"] == (field.right == field.table["species"][field.good]).sum() / 60
    [evidence] = evidence_of(Registry().resolve("models:/flowers/1"))
    assert evidence.metrics["accuracy"] == pytest.approx(found["accuracy"])
    Path("gates.toml").write_text(
        '[[Production.metrics]]\nmetric = "accuracy"\ndataset = "field"\nthreshold = 0.9\n'
    )
    assert main(["promote", "flowers", "1", "Production"]) == 0


def test_two_versions_of_scikit_learn_are_compared_on_a_table(
    spark, field: Field, tmp_path: Path, capsys
) -> None:
    output = str(tmp_path / "compared")
    asked = ["compare", "models:/flowers/1", "models:/flowers/2", *field.rows, "--keep", "id"]
    asked += ["--dataset", "field", "--output", output]
    assert main(asked) == 1
    capsys.readouterr()
    assert main([*asked, *LET_IN]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["metrics"] == {"rows": 60, "agreement": 0, "disagreements": 58}
    assert said["statuses"]["a"] == {"ok": 58, "missing": 1, "unsupported": 1}
    compared = spark.read.parquet(output)
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
