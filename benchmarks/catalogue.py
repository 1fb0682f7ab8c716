"""Who takes part: what a user would pick, stagewright at each precision, and the limit of the same code."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec

from pyfunc_models.engines import Precision

from .networks import Network

REFERENCE = "article"
ONE_WORKER = {"spark.task.cpus": "{cores}"}
WORKER_PER_CORE = {"spark.task.cpus": "1"}
# How Spark's tasks share the cores: as the job does by itself, or one of the two forms by name.
FORMS: dict[str, dict[str, str]] = {"": {}, "1-worker": ONE_WORKER, "worker-per-core": WORKER_PER_CORE}
# About how many times the article's speed: sizes are chosen so that all contenders work for about as long.
SPEED = {"f32": 2.5, "bf16": 4.5, "int8": 7.0}
FEED_SPEED = 2.6


@dataclass(frozen=True, slots=True)
class Contender:
    """`module` of `benchmarks.contenders` does it; `speed` is a guess, in multiples of the article's.

    `needs` are packages of the extra `bench`. `limit` names the contender that shows what these cores can do.
    """

    name: str
    module: str
    speed: float = 1.0
    precision: str = "f32"
    conf: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    limit: str | None = None

    @property
    def installed(self) -> bool:
        """Whether its packages are there."""
        return all(find_spec(name) for name in self.needs)


RIVALS = (
    Contender(REFERENCE, "article"),
    Contender("pyfunc", "pyfunc"),
    Contender("predict_batch_udf", "predict_batch"),
    Contender("ray", "ray_data", needs=("ray",)),
    Contender("daft", "daft_class", speed=1.3, needs=("daft",)),
    Contender("torch2", "torch_processes", speed=1.3),
    Contender("torch2-tuned", "torch_processes_tuned", speed=1.8),
)
# For a network that costs nothing there is nothing to tune.
FEED_RIVALS = tuple(rival for rival in RIVALS if rival.name not in ("torch2-tuned", "predict_batch_udf"))


def everyone(network: Network) -> dict[str, Contender]:
    """All that can be asked for with this network, by name."""
    rivals = FEED_RIVALS if network.costs_nothing else RIVALS
    return {contender.name: contender for contender in (*rivals, *_ours(network))}


def usual(network: Network) -> list[str]:
    """Who takes part when nobody is named."""
    ours = {
        f"{family}-{precision}"
        for family in ("stagewright", "inprocess")
        for precision in precisions(network)
    }
    rivals = {rival.name for rival in RIVALS}
    return [
        name for name, contender in everyone(network).items() if name in rivals | ours and contender.installed
    ]


def precisions(network: Network) -> tuple[str, ...]:
    """Those that stagewright has; one is enough where the network costs nothing."""
    return ("f32",) if network.costs_nothing else tuple(precision.value for precision in Precision)


def _ours(network: Network) -> Iterator[Contender]:
    for precision in precisions(network):
        speed = FEED_SPEED if network.costs_nothing else SPEED[precision] * network.gain
        limit = f"inprocess-{precision}"
        for form, conf in FORMS.items():
            name = "-".join(part for part in ("stagewright", precision, form) if part)
            yield Contender(name, "stagewright", speed, precision, conf, limit=limit)
        yield Contender(limit, "inprocess", speed, precision)
