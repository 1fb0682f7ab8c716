"""The exported graph in a `.pt2`, as torch serializes it in JSON: each key and each text of it is one that is known.

torch makes Python code of a graph, so a name is a name, an expression arithmetic, and an operation one of torch's own.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from registry.errors import ArtifactMismatch

# Keys of torch/_export/serde/schema.py, without custom objects, tokens and training.
_KEYS = frozenset(
    re.findall(
        r"[a-z_]+",
        """
    arg as_bool as_bools as_complex as_device as_expr as_float as_float_lists as_floats as_graph as_int as_int_lists
    as_ints as_layout as_memory_format as_name as_nested_tensors as_none as_operator as_optional_tensor
    as_optional_tensors as_scalar_type as_string as_strings as_sym_bool as_sym_bools as_sym_float as_sym_floats
    as_sym_int as_sym_ints as_tensor as_tensors buffer buffer_mutation buffer_name constant_input custom_obj_values
    device dtype expr_str forward_arg_names fqn graph graph_module guards_code hint imag in_spec index input_specs
    inputs is_hop_single_tensor_return is_single_tensor_return kind layout major max_val metadata min_val minor
    module_call_graph name nn_module_stack nodes opset_version out_spec output_specs outputs parameter parameter_name
    persistent range_constraints real requires_grad schema_version signature sizes source_fn_stack stack_trace
    storage_offset strides sym_bool_values sym_float_values sym_int_values target tensor_constant tensor_constant_name
    tensor_values torch_fn torch_version treespec_namedtuple_fields type user_input user_output value verifiers
    """,
    )
)
# Below these keys, keys are names of the model's own.
_NAMED = frozenset(
    {
        "tensor_values",
        "sym_int_values",
        "sym_bool_values",
        "sym_float_values",
        "range_constraints",
        "opset_version",
    }
)
_EMPTY = frozenset({"custom_obj_values", "treespec_namedtuple_fields"})
_FREE = frozenset(
    {
        "as_string",
        "as_strings",
        "nn_module_stack",
        "source_fn_stack",
        "stack_trace",
        "torch_fn",
        "torch_version",
    }
    | {"verifiers"}
)
_IDENTIFIER = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*)?")
_PATH = re.compile(r"[A-Za-z0-9_.:/ +-]*")
_OPERATION = re.compile(
    r"torch\.ops\.(?:aten|prims|quantized_decomposed|torchvision)\.(?!save\.|from_file\.)[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*"
    r"|torch\.ops\.higher_order\.(?:cond|map_impl|scan|while_loop|wrap_with_autocast|wrap_with_set_grad_enabled)"
    r"|_operator\.(?:add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|getitem)"
    r"|torch\.sym_(?:float|int|ite|max|min|not|sqrt|sum)|torch\._sym_sqrt|math\.(?:ceil|floor|trunc|sqrt)"
)
_SPEC_LEAF: Mapping[str, Any] = {"type": None, "context": None, "children_spec": []}
_IN_SPEC = {
    "type": "builtins.tuple",
    "context": "null",
    "children_spec": [
        {"type": "builtins.tuple", "context": "null", "children_spec": [_SPEC_LEAF]},
        {"type": "builtins.dict", "context": "[]", "children_spec": []},
    ],
}
_FUNCTIONS = frozenset(
    re.findall(
        r"[A-Za-z]+",
        "Symbol Integer Float Rational Add Mul Pow Max Min Mod PythonMod FloorDiv CeilDiv CleanDiv ModularIndexing "
        "Where PowByNatural FloatPow FloatTrueDiv IntTrueDiv TruncToFloat TruncToInt RoundToInt CeilToInt FloorToInt "
        "ToFloat Identity Eq Ne Lt Le Gt Ge And Or Not Equality Unequality StrictLessThan LessThan StrictGreaterThan "
        "GreaterThan LShift RShift",
    )
)
_SYMBOL = re.compile(r"[a-z]{1,3}[0-9]+")
_SIZE = re.compile(r"L\['images'\]\.(?:size\(\)|shape)\[[0-9]\]")
_ARITHMETIC = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.UnaryOp, ast.USub, ast.Not,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt,
    ast.LtE, ast.Gt, ast.GtE, ast.BoolOp, ast.And, ast.Or,
)  # fmt: skip
_MAX_EXPRESSION = 10_000


def check_graph(document: Any, shown: str) -> None:
    """Raises ArtifactMismatch, which calls the file `shown`, on what no export of packaging's says."""
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        key, found = waiting.pop()
        if isinstance(found, dict):
            if key in _EMPTY and found:
                raise _wrong(shown, key, found)
            if key in _NAMED:
                waiting.extend(("", value) for value in found.values())
                continue
            if not found.keys() <= _KEYS:
                raise _wrong(shown, key, sorted(found.keys() - _KEYS))
            waiting.extend(found.items())
        elif isinstance(found, list):
            waiting.extend((key, value) for value in found)
        elif isinstance(found, str) and (key, found) not in seen:
            if not _is_harmless(key, found):
                raise _wrong(shown, key, found)
            seen.add((key, found))
    if not isinstance(document, dict):
        raise _wrong(shown, "document", document)


def _is_harmless(key: str, text: str) -> bool:
    return key in _FREE or (key in _CHECKS and _CHECKS[key](text))


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _is_spec(wanted: Mapping[str, Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(found, list) and len(found) == 2 and found[0] == 1 and found[1] == wanted

    return check


def _is_arithmetic(text: str) -> bool:
    """Calls of known functions, numbers, and symbols by their names; no attribute, no text, nothing to look up."""
    if len(text) > _MAX_EXPRESSION:
        return False
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    called = {id(node.func) for node in calls}
    symbols = {id(node.args[0]) for node in calls if _makes_symbol(node)}
    return all(_is_known(node, id(node) in symbols, id(node) in called) for node in nodes)


def _makes_symbol(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "Symbol" and len(node.args) == 1


def _is_known(node: ast.AST, symbol: bool, called: bool) -> bool:
    match node:
        case ast.Name(id=name):
            return name in _FUNCTIONS if called else _SYMBOL.fullmatch(name) is not None
        case ast.Constant(value=str(name)):
            return symbol and _SYMBOL.fullmatch(name) is not None
        case ast.Constant(value=value):
            return isinstance(value, bool | int | float)
        case ast.keyword(arg=name):
            return name in ("positive", "integer", "nonnegative")
    return isinstance(node, _ARITHMETIC)


def _is_guard(text: str) -> bool:
    """A condition on the sizes of the input, and nothing else."""
    return _is_arithmetic(_SIZE.sub("1", text))


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "as_name": _matches(_IDENTIFIER),
    "as_operator": _matches(_OPERATION),
    "buffer_name": _matches(_PATH),
    "expr_str": _is_arithmetic,
    "forward_arg_names": _matches(_IDENTIFIER),
    "fqn": _matches(_PATH),
    "guards_code": _is_guard,
    "in_spec": _is_spec(_IN_SPEC),
    "name": _matches(_IDENTIFIER),
    "out_spec": _is_spec(_SPEC_LEAF),
    "parameter_name": _matches(_PATH),
    "target": _matches(_OPERATION),
    "tensor_constant_name": _matches(_PATH),
    "type": _matches(re.compile("[a-z]+")),
}


def _wrong(shown: str, key: str, found: object) -> ArtifactMismatch:
    return ArtifactMismatch(
        f"The model's file {shown!r} has a graph that packaging does not write: {key or 'it'} is {str(found)[:120]!r}."
    )
