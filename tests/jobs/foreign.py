"""Versions as other tools log them: scikit-learn's, ONNX, Keras, and a pyfunc with a temper."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc.model import PythonModel
from sklearn.linear_model import LogisticRegression

COLUMNS = ("length", "width of it")


def flowers(rows: int = 60) -> pd.DataFrame:
    """Two clouds of points, and which of them each is from."""
    generator = np.random.default_rng(0)
    kind = np.arange(rows) % 2
    points = generator.normal(size=(rows, 2)) + kind[:, None] * 3
    return pd.DataFrame(points, columns=list(COLUMNS)).assign(id=np.arange(rows), species=kind)


def register_sklearn(name: str, upside_down: bool = False) -> LogisticRegression:
    """A version of scikit-learn's flavour, with the signature of its columns; or one that is always wrong."""
    table = flowers()
    truth = 1 - table["species"] if upside_down else table["species"]
    model = LogisticRegression().fit(table[list(COLUMNS)], truth)
    inputs = table[list(COLUMNS)]
    with mlflow.start_run(experiment_id=_experiment()):
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(inputs, model.predict(inputs)),
            registered_model_name=name,
            pip_requirements=["scikit-learn"],  # else MLflow finds them out in a process of its own
        )
    return model


def _experiment() -> str:
    """One with its artifacts in the current folder: the default one's are where its registry was made."""
    found = mlflow.get_experiment_by_name("sklearn")
    if found is not None:
        return str(found.experiment_id)
    return str(mlflow.create_experiment("sklearn", (Path.cwd() / "sklearn").as_uri()))


class Temper(PythonModel):
    """Doubles a number and greets; cannot stand 13."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        if (model_input["number"] == 13).any():
            raise ValueError(f"13 is not\nfor me, among {len(model_input)}")
        twice = model_input["number"] * 2
        return pd.DataFrame({"twice": twice, "said": [f"hello {n}" for n in model_input["number"]]})


def save_onnx(folder: Path) -> np.ndarray:
    """Softmax of x times a matrix, tensors by name; gives the matrix."""
    import mlflow.onnx
    from onnx import TensorProto, helper, numpy_helper

    matrix = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])]
        for name, width in (("x", 4), ("scores", 3))
    ]
    graph = helper.make_graph(nodes, "g", *ends, [numpy_helper.from_array(matrix, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    example = np.zeros((2, 4), np.float32)
    signature = infer_signature({"x": example}, {"scores": example[:, :3]})
    mlflow.onnx.save_model(model, folder, signature=signature, pip_requirements=["onnxruntime"])
    return matrix


def save_keras(folder: Path, signature: ModelSignature | None = None) -> Any:
    """A convolution over 8 x 8 pixels and ten classes, one tensor without a name; gives the model."""
    import keras
    import mlflow.keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(10, "softmax")]
    )
    example = np.zeros((2, 8, 8, 1), np.float32)
    mlflow.keras.save_model(
        model,
        str(folder),
        signature=infer_signature(example, example[:, 0, 0].repeat(10, 1)),
        pip_requirements=["keras", "torch"],
    )
    return model
