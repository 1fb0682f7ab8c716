"""What a package offers is what its `__all__` says, and is documented."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("registry", "pyfunc_models", "jobs")


def declared(package: str) -> list[str]:
    """`__all__` as it stands in the source, so that a star import cannot fill it unseen."""
    for node in ast.parse((ROOT / package / "__init__.py").read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value):
                return list(ast.literal_eval(value))
    raise AssertionError(f"{package}/__init__.py has no literal __all__")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_are_listed_once_and_in_order(package: str) -> None:
    names = declared(package)

    assert names
    assert names == sorted(set(names), key=_constants_then_classes_then_functions)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)

    missing = [name for name in declared(package) if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_class_and_package_is_documented(package: str) -> None:
    module = importlib.import_module(package)
    public = {name: getattr(module, name) for name in declared(package) if hasattr(module, name)}
    documentable = {name: thing for name, thing in public.items() if callable(thing)}

    undocumented = [name for name, thing in documentable.items() if not _has_own_docstring(thing)]
    assert undocumented == []
    assert module.__doc__


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_else_is_public_by_accident(package: str) -> None:
    module = importlib.import_module(package)
    submodules = {found.name for found in pkgutil.iter_modules(module.__path__)}

    unlisted = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and name not in submodules and not inspect.ismodule(thing)
    } - set(declared(package))
    assert unlisted == set()


def _constants_then_classes_then_functions(name: str) -> tuple[bool, bool, str]:
    """The order that ruff's RUF022 asks for."""
    return not name.isupper(), not name[0].isupper(), name


def _has_own_docstring(thing: object) -> bool:
    # A dataclass without a docstring gets its signature for one; an exception inherits Exception's.
    documentation = vars(thing).get("__doc__") if isinstance(thing, type) else inspect.getdoc(thing)
    generated = isinstance(thing, type) and str(documentation).startswith(f"{thing.__name__}(")
    return bool(documentation) and not generated
