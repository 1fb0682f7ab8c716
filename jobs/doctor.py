"""What a job needs on this machine, and what to do about what is missing."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from registry import PolicyRefused, Registry, RegistryError, UserError

from .errors import InputError, SparkUnavailable

NEEDED_JAVA = 17
NEEDED_PYTHON = (3, 11)
PACKAGES = (
    "mlflow",
    "pyspark",
    "openvino",
    "torch",
    "torchvision",
    "pandas",
    "pyarrow",
    "pillow",
    "cloudpickle",
)
JAVA_TIMEOUT_S = 20
CPU_INFO = Path("/proc/cpuinfo")
# Products of 8 bits summed in 32, as Linux names them: on x86, and on ARM.
INT8_INSTRUCTIONS = ("amx_int8", "avx512_vnni", "avx_vnni", "asimddp", "i8mm")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and the next step where it is not good."""

    subject: str
    good: bool
    found: str
    next_step: str = ""

    def line(self) -> str:
        """For a person."""
        mark = "ok  " if self.good else "FAIL"
        return f"{mark}  {self.subject:<10}  {self.found}" + (
            f"  -> {self.next_step}" if self.next_step else ""
        )

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; a finding never raises."""
    looks: tuple[Callable[[], Finding], ...] = (
        _python,
        _java,
        _classes,
        _packages,
        _processor,
        _gpu,
        _policy,
        _registry,
    )
    return [*(look() for look in looks), *_server(), *_stages(), *_models_policies()]


def _python() -> Finding:
    good = sys.version_info >= NEEDED_PYTHON
    return Finding("python", good, sys.version.split()[0], "" if good else "install Python 3.11 or newer")


def _java() -> Finding:
    from .spark import connect

    found = _own_java()
    if found.good or connect.VARIABLE not in os.environ:
        return found
    return Finding(found.subject, True, f"{found.found}; jobs on a Spark Connect server need none here")


def _own_java() -> Finding:
    step = "install a JDK of version 17 or newer, or set JAVA_HOME to one"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        return Finding("java", False, f"none at {java}" if java else "none on the PATH", step)
    done = subprocess.run(
        [java, "-version"], capture_output=True, text=True, timeout=JAVA_TIMEOUT_S, check=False
    )
    said = next(iter(done.stderr.splitlines()), "")
    number = re.search(r'version "(?:1\.)?(\d+)', said)
    good = bool(number) and int(number[1]) >= NEEDED_JAVA if number else False
    return Finding("java", good, said or f"{java} says nothing", "" if good else step)


def _server() -> list[Finding]:
    """Whether the Spark Connect server that SPARK_REMOTE names answers, if it names one."""
    from .spark import connect

    if connect.VARIABLE not in os.environ:
        return []
    try:
        with connect.heeded(None, None):
            spark = connect.open_session({}, {})
    except (InputError, SparkUnavailable) as error:
        return [Finding("server", False, str(error))]
    url = connect.shown(os.environ[connect.VARIABLE])
    return [Finding("server", True, f"{connect.VARIABLE}={url!r} answers, with Spark {spark.version}")]


def _classes() -> Finding:
    """Whether Spark starts as quickly as it can."""
    from .spark import class_archive

    kept = class_archive.kept_at()
    if kept is not None and kept.is_file():
        return Finding("classes", True, f"Spark's are kept in {kept}")
    found = "Spark's are not kept; `stagewright doctor --keep-classes` makes each start some seconds shorter"
    return Finding("classes", True, found)


def _packages() -> Finding:
    missing = []
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    step = f"pip install {' '.join(missing)}" if missing else ""
    return Finding("packages", not missing, ", ".join(found), step)


def _processor() -> Finding:
    # Before OpenVINO, which reports its import to Google Analytics unless this came first.
    import pyfunc_models.packaging  # noqa: F401 isort: skip
    import openvino as ov

    core = ov.Core()
    name = str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
    able = [str(capability) for capability in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")]
    bf16 = "bf16 natively" if "BF16" in able else "no bf16, jobs that ask for it fail here"
    return Finding("cpu", True, f"{name}, {os.cpu_count()} cores: f32 natively, {bf16}, {_int8()}")


def _int8() -> str:
    """int8 runs on every CPU, but only with instructions for it as fast as it can."""
    try:
        flags = set(CPU_INFO.read_text().split())
    except OSError:
        return "int8 natively or not: unknown"
    known = sorted(flags & set(INT8_INSTRUCTIONS))
    return f"int8 natively ({', '.join(known)})" if known else "int8 without instructions for it, slower"


def _gpu() -> Finding:
    import torch

    count = torch.cuda.device_count()
    if not count:
        return Finding("gpu", True, "none that torch sees; photos are scored on the CPU")
    return Finding("gpu", True, ", ".join(torch.cuda.get_device_name(i) for i in range(count)))


def _policy() -> Finding:
    """What holds on this machine for every model."""
    try:
        here = Registry().policy_here()
    except UserError as error:
        return Finding("policy", False, error.message, error.hint)
    if here is None:
        return Finding(
            "policy",
            True,
            f"none on this machine: STAGEWRIGHT_POLICY is not set, and no {Path.cwd() / 'policy.toml'}",
        )
    return Finding(
        "policy", True, f"{Path(here.declared).absolute()} {', '.join(here.rules) or 'refuses nothing'}"
    )


def _models_policies() -> list[Finding]:
    """The models' own policies, which travel with the registry."""
    registry = Registry()
    found = []
    try:
        for name in registry.names():
            try:
                own = registry.policy(name)
            except PolicyRefused as error:
                found.append(Finding("policy", False, error.message, error.hint))
                continue
            if own.rules:
                found.append(Finding("policy", True, f"{own.declared} {', '.join(own.rules)}"))
    except RegistryError:
        return []  # said already
    return found


def _registry() -> Finding:
    registry = Registry()
    try:
        names = registry.names()
    except RegistryError as error:
        return Finding("registry", False, f"{registry.address}: {error.message}", error.hint)
    return Finding("registry", True, f"{registry.address} answers; models: {', '.join(names) or 'none'}")


def _stages() -> list[Finding]:
    """Whether each stage of each model has one version, and its alias points to it."""
    registry = Registry()
    try:
        names = registry.names()
        faults = [fault for name in names for fault in registry.faults(name)]
    except RegistryError:
        return []  # said already
    if not faults:
        return [Finding("stages", True, f"one version each, where the alias points, in {len(names)} models")]
    return [Finding("stages", False, *fault) for fault in faults]
