"""The PythonModel that travels: reads photos, infers in batches, answers one row for each row."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from ..engines import Engine, Outputs, Precision, device, engine_module
from ..photos import files
from ..photos.decode import DEFAULT_MAX_PIXELS
from ..photos.status import Status
from ..transforms.compiled_resample import Compiler
from ..transforms.preprocess import Preprocess
from . import model_store, needs, own_code, pipeline, proving, settings
from .choices import ContentChoice, DecodeChoice
from .own_code import OwnCode
from .photo_reader import PhotoReader
from .selftest import SelfTest
from .settings import Setting, Value
from .spec import EXACT, ModelSpec

# Where things lie below `artifacts/model` of the MLflow model directory.
PREPROCESS = "preprocess.json"
LABELS = "labels.json"

Column = Sequence[Any]


class ImageModel(PhotoReader, PythonModel, ABC):
    """Base of every kind of prediction: `content` (binary) in; the kind's columns, `status` and `error` out.

    A row that cannot be read keeps its place: its `status` says why, `error` says it in words, and its other
    columns hold `blank()`. Strings are never null here, because `spark_udf` would turn None into 'None'.
    """

    kind: ClassVar[str]
    outputs: ClassVar[list[ColSpec]]
    params: ClassVar[list[ParamSpec]] = []
    labelled: ClassVar[bool] = False
    known_settings: ClassVar[tuple[Setting, ...]] = ()
    golden: SelfTest | None = None
    """The version's self-test; None in those of before."""
    settings: Mapping[str, Value] = MappingProxyType({})
    """Of `known_settings` what the version was registered with."""

    @abstractmethod
    def columns(self, outputs: Outputs, params: dict[str, Any]) -> dict[str, Column]:
        """The kind's columns for float32 [N, D] outputs, N values each."""

    @abstractmethod
    def blank(self) -> dict[str, Any]:
        """The value of each column of `columns` in a row without a prediction."""

    @abstractmethod
    def agreement(self, reference: Outputs, outputs: Outputs) -> dict[str, float]:
        """How far `outputs` of another precision are from those of f32, both float32 [N, D].

        `agreement`, 1 at best, is what a floor is held to; the kind's other figures say more.
        """

    @classmethod
    def check_settings(cls, given: dict[str, Value]) -> None:
        """Raises ValueError on settings that are known one by one and do not go together."""

    @classmethod
    def signature(cls) -> ModelSignature:
        """Input `content`; outputs and params of this kind."""
        common = [
            ParamSpec("batch_size", DataType.long, 0),
            ParamSpec("decode_threads", DataType.long, 0),
            ParamSpec("precision", DataType.string, Precision.F32.value),
            # There was a choice once. Callers name it still, and gates hold one version's params against another's.
            ParamSpec("transform", DataType.string, EXACT),
            ParamSpec("decode", DataType.string, DecodeChoice.FULL.value),
            ParamSpec("content_as", DataType.string, ContentChoice.BYTES.value),
            ParamSpec("max_pixels", DataType.long, DEFAULT_MAX_PIXELS),
        ]
        status = [ColSpec(DataType.string, "status"), ColSpec(DataType.string, "error")]
        return ModelSignature(
            inputs=Schema([ColSpec(DataType.binary, "content")]),
            outputs=Schema([*cls.outputs, *status]),
            params=ParamSchema([*common, *cls.params]),
        )

    def load_context(self, context: Any) -> None:
        """Verify the model directory, then read what is small; the graph is loaded by the first prediction.

        Raises manifest.ManifestError where a file is not what was packaged, needs.NodeError where this machine lacks
        what the version needs.
        """
        self._graphs = Path(context.artifacts["model"])
        root = self._graphs.parent.parent
        self.verified = model_store.verify_once(root)
        # Now, while this folder is there: another version with equal code may use the module when it is gone.
        engine_module(device.current())
        self.spec = ModelSpec.read(root)
        needs.check(self.spec)
        self.settings = settings.read(self._graphs)
        self.golden = SelfTest.find(self._graphs)
        self.preprocess = Preprocess.from_json((self._graphs / PREPROCESS).read_text())
        self.own_code = own_code.load(self._graphs / own_code.CALLABLES) if self.spec.pickled else OwnCode()
        device.settle()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """DataFrame with a binary column `content` -> one row for each row; see the class.

        Params: `batch_size` and `decode_threads` (0: what suits the device); `precision` (`f32`) and `decode` (`full`),
        or one that the version was registered with; `content_as` (`bytes`), or `path`, where `content` holds the UTF-8
        of paths of files on this machine; `max_pixels`, above which a photo is `too_large`; and the kind's own.
        """
        given = params or {}
        contents: list[bytes | None] = list(model_input["content"])
        scored = self._score(contents, given)
        status = np.full(len(contents), Status.OK.value, dtype=object)
        error = np.full(len(contents), "", dtype=object)
        for row, fault in scored.faults.items():
            status[row], error[row] = fault.status.value, fault.error
        answers = self._answers(scored, len(contents), given)
        return pd.DataFrame({**answers, "status": status, "error": error})

    def infer(
        self, contents: Sequence[bytes | None], engine: Engine, here: device.Device, params: dict[str, Any]
    ) -> pipeline.Scored:
        """The outputs of the rows that can be read, after the scientist's own post-processing.

        Raises ValueError on a `decode` or `content_as` that there is not.
        """
        choice = DecodeChoice(params.get("decode") or DecodeChoice.FULL)
        content_as = ContentChoice(params.get("content_as") or ContentChoice.BYTES)
        settings = pipeline.Settings(
            batch_size=int(params.get("batch_size") or engine.batch_size),
            threads=int(params.get("decode_threads") or here.threads),
            size=self.preprocess.output_size,
            fetch=files.load if content_as is ContentChoice.PATH else None,
        )
        max_pixels = int(params.get("max_pixels") or DEFAULT_MAX_PIXELS)
        read = partial(self.read, choice=choice, max_pixels=max_pixels)
        scored = pipeline.score(contents, read, engine, settings)
        return scored if scored.outputs is None else replace(scored, outputs=self.finish(scored.outputs))

    def finish(self, outputs: Outputs) -> Outputs:
        """The graph's outputs after the scientist's own post-processing, if there is one."""
        if self.own_code.postprocess is None:
            return outputs
        return np.asarray(self.own_code.postprocess(outputs), dtype=np.float32)

    def comparable(self, outputs: Outputs) -> Outputs:
        """What of the graph's outputs [N, D] two machines must agree in: float32 [N, D']. All, where order is fixed."""
        return outputs

    def engine(self, precision: str | None, here: device.Device) -> Engine:
        """The graph on `here`, loaded once for each process. Raises ValueError on a precision that is not offered."""
        _check_offered("precision", precision or Precision.F32, self.spec.precisions)
        return model_store.engine(self.verified, self._graphs, here, Precision(precision or "f32"))

    def test_itself(self, precision: str = Precision.F32, decode: str = DecodeChoice.FULL) -> None:
        """Answer the golden photos in every way that a job by these choices may take; nothing where there are none.

        Raises SelfTestError with one line that says what differs, EngineUnavailable, and ValueError on a choice that
        is not offered.
        """
        _check_offered("decode", decode, self.spec.decodes)
        here = device.current()
        proving.prove(self, self.engine(precision, here), here, precision, DecodeChoice(decode))
        if decode == DecodeChoice.FULL and self._wants_pixels_alone:
            proving.check_usual(self, Compiler(worth=0))

    def _score(self, contents: list[bytes | None], params: dict[str, Any]) -> pipeline.Scored:
        here = device.current()
        choice = params.get("decode") or DecodeChoice.FULL
        _check_offered("decode", choice, self.spec.decodes)
        precision = params.get("precision") or Precision.F32
        engine = self.engine(precision, here)
        proving.prove(self, engine, here, precision, DecodeChoice(choice))
        return self.infer(contents, engine, here, params)

    def _answers(self, scored: pipeline.Scored, rows: int, params: dict[str, Any]) -> dict[str, Column]:
        if scored.outputs is None:
            return {name: [value] * rows for name, value in self.blank().items()}
        answers = self.columns(scored.outputs, params)
        if not scored.faults:
            return answers
        return {
            name: _scatter(answers[name], scored.rows, rows, blank) for name, blank in self.blank().items()
        }


def _check_offered(what: str, wanted: str, choices: tuple[str, ...]) -> None:
    if wanted not in choices:
        raise ValueError(
            f"This version was not registered with {what} {wanted!r}, only with {list(choices)}. "
            f"Register it again with `--{what} {wanted}`."
        )


def _scatter(values: Column, at: list[int], rows: int, blank: Any) -> Column:
    column = [blank] * rows
    for row, value in zip(at, values, strict=True):
        column[row] = value
    return column
