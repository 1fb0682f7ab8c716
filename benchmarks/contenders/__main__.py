"""`python -m benchmarks.contenders MODULE WORKLOAD.json`: what a measured process runs."""

import importlib
import sys
from pathlib import Path

from ..workload import Workload


def main() -> None:
    """Run the contender on its workload."""
    module, workload = sys.argv[1:]
    # Nothing else is imported here: a contender's start-up is its own.
    importlib.import_module(f"{__package__}.{module}").run(Workload.read(Path(workload)))


if __name__ == "__main__":
    main()
