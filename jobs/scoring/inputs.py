"""What of a row a version takes: of packaged ones a photo, of foreign ones the columns of its signature."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, Object, Property
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pyfunc_models.foreign.packing import MISSING

from ..errors import InputError
from . import columns
from .options import ScoreOptions

# NumPy's types of tensors -> MLflow's and Spark's; those that Spark has not are held by the next larger one.
_TENSORS: Mapping[str, DataType] = {
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), DataType.integer),
    **dict.fromkeys(("int64", "uint32"), DataType.long),
    **dict.fromkeys(("float16", "float32"), DataType.float),
    "float64": DataType.double,
    "bool": DataType.boolean,
}
_SPARK: Mapping[DataType, T.DataType] = {
    DataType.boolean: T.BooleanType(),
    DataType.integer: T.IntegerType(),
    DataType.long: T.LongType(),
    DataType.float: T.FloatType(),
    DataType.double: T.DoubleType(),
    DataType.string: T.StringType(),
    DataType.binary: T.BinaryType(),
    DataType.datetime: T.TimestampType(),
}
_BLANKS: Mapping[DataType, Any] = {
    DataType.string: "",
    DataType.boolean: False,
    DataType.integer: 0,
    DataType.long: 0,
    DataType.float: float("nan"),
    DataType.double: float("nan"),
}
_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
# What a single output without a name is called.
OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a signature; `name` is "" where it has none. `shape`: of a tensor, with -1 for the rows."""

    name: str
    type: T.DataType
    required: bool = True
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    def column(self, options: ScoreOptions) -> str:
        """The column that it is read from: the one of its name, or what --content-column says."""
        return self.name or options.content_column


@dataclass(frozen=True, slots=True)
class Signature:
    """What a foreign version takes and gives. `outputs` are columns as MLflow's UDF gives them."""

    inputs: tuple[Input, ...]
    outputs: Schema

    @classmethod
    def of(cls, model: Path, what: str) -> "Signature":
        """Of a model's directory. Raises InputError, which calls it `what`, where it says too little, or too much."""
        metadata = mlflow.models.Model.load(str(model))
        inputs: Any = metadata.get_input_schema()  # type: ignore[no-untyped-call]
        outputs: Any = metadata.get_output_schema()  # type: ignore[no-untyped-call]
        for part, said in (("inputs", inputs), ("outputs", outputs)):
            if said is None or not said.inputs:
                raise InputError(
                    f"{what} has no signature of its {part}, so nobody knows its columns. Log it again with one: "
                    "mlflow.models.infer_signature(inputs, outputs)."
                )
        try:
            return cls(tuple(map(_input, inputs.inputs)), Schema(list(_outputs(outputs.inputs))))
        except _Unknown as unknown:
            raise InputError(f"{what} has {unknown} in its signature, which no column can hold.") from None

    @property
    def told(self) -> dict[str, Any]:
        """As `foreign.host.Host` is told."""
        inputs = [
            {"name": each.name, "dtype": each.dtype, "shape": list(each.shape) if each.shape else None}
            for each in self.inputs
        ]
        outputs: list[Any] = self.outputs.inputs
        return {
            "inputs": inputs,
            "outputs": [
                {"name": each.name, "blank": _blank(each.type), "depth": _depth(each.type)}
                for each in outputs
            ],
        }

    def check(self, frame: DataFrame, options: ScoreOptions, taken: Sequence[str]) -> None:
        """Raises InputError unless each input that is required is a column, of a type that goes into its own."""
        for each in self.inputs:
            name = each.column(options)
            found = columns.find(frame, name)
            if found is None and each.required:
                how = (
                    "name the column that holds the tensor with --content-column"
                    if not each.name
                    else "rename one"
                )
                raise InputError(
                    f"There is no column {name!r}, which the version takes; there are {sorted(frame.columns)}: {how}."
                )
            if found is not None and not fits(found.type, each.type):
                raise InputError(
                    f"Column {name!r} is of type {found.type.simpleString()}, and the version takes "
                    f"{each.type.simpleString()}; cast it first."
                )
        columns.check_kept(frame, options.keep, taken)

    def given(self, frame: DataFrame, options: ScoreOptions) -> Column:
        """All inputs as one struct, with MISSING: the name of the first that is null and may not be."""
        found = [(each, columns.find(frame, each.column(options))) for each in self.inputs]
        there = [(each, one.column) for each, one in found if one is not None]
        nulls = [
            F.when(column.isNull(), F.lit(each.column(options))) for each, column in there if each.required
        ]
        missing = F.coalesce(*nulls, F.lit("")).alias(MISSING)
        return F.struct(*(column.cast(each.type).alias(each.name) for each, column in there), missing)


class _Unknown(Exception):
    """A type that there is no column for."""


def fits(have: T.DataType, want: T.DataType) -> bool:
    """Whether values go into a type without becoming others, but for the last digits of a number."""
    if isinstance(have, T.ArrayType) and isinstance(want, T.ArrayType):
        return fits(have.elementType, want.elementType)
    if isinstance(have, T.StructType) and isinstance(want, T.StructType):
        types = {field.name: field.dataType for field in have.fields}
        return all(field.name in types and fits(types[field.name], field.dataType) for field in want.fields)
    if isinstance(want, T.FloatType | T.DoubleType):
        return isinstance(have, T.NumericType)
    if isinstance(want, T.IntegerType | T.LongType):
        return isinstance(have, _WHOLE[: _WHOLE.index(type(want)) + 1])
    return have == want or (isinstance(have, T.DateType) and isinstance(want, T.TimestampType))


def _input(said: Any) -> Input:
    if isinstance(said, TensorSpec):
        kind = _array(_of_tensor(said), len(said.shape) - 1)
        return Input(said.name or "", _spark(kind), True, str(np.dtype(said.type)), tuple(said.shape))
    whole = {DataType.integer: "int32", DataType.long: "int64", DataType.boolean: "bool"}
    dtype = whole.get(said.type) if isinstance(said.type, DataType) and said.required else None
    if said.name is None:
        raise _Unknown("columns without names")
    return Input(said.name, _spark(said.type), said.required, dtype)


def _outputs(said: Sequence[Any]) -> Iterator[ColSpec]:
    for place, each in enumerate(said):
        kind = _array(_of_tensor(each), len(each.shape) - 1) if isinstance(each, TensorSpec) else each.type
        _spark(kind)
        if _depth(kind) == 0 and kind not in _BLANKS:
            raise _Unknown(f"an output of type {kind}")
        name = each.name if each.name is not None else OUTPUT if len(said) == 1 else f"{OUTPUT}_{place}"
        if name in ("status", "error"):
            raise _Unknown(f"an output called {name!r}, as predictions have a column")
        yield ColSpec(kind, name)


def _of_tensor(said: TensorSpec) -> DataType:
    name = np.dtype(said.type).name
    if name in _TENSORS:
        return _TENSORS[name]
    if np.dtype(said.type).kind in "OUS":
        return DataType.string
    raise _Unknown(f"a tensor of {name}")


def _array(kind: Any, depth: int) -> Any:
    return Array(_array(kind, depth - 1)) if depth > 0 else kind


def _spark(kind: Any) -> T.DataType:
    if isinstance(kind, DataType) and kind in _SPARK:
        return _SPARK[kind]
    if isinstance(kind, Array):
        return T.ArrayType(_spark(kind.dtype))
    if isinstance(kind, Object):
        properties: list[Property] = kind.properties
        return T.StructType([T.StructField(each.name, _spark(each.dtype)) for each in properties])
    raise _Unknown(f"the type {kind}")


def _depth(kind: Any) -> int:
    return 1 + _depth(kind.dtype) if isinstance(kind, Array) else 0


def _blank(kind: Any) -> Any:
    return [] if _depth(kind) else _BLANKS[kind]
