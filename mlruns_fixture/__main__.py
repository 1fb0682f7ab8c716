"""`python -m mlruns_fixture FOLDER` builds the registry there and says how to use it."""

import sys
from pathlib import Path

from .build import NAME, build


def main() -> int:
    """Build it; returns the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m mlruns_fixture FOLDER\n")
        return 2
    made = build(Path(sys.argv[1]))
    sys.stdout.write(
        f"export MLFLOW_TRACKING_URI={made.uri}\n"
        f"stagewright versions {NAME}\n"
        f"stagewright score models:/{NAME}/Production --input {made.photos} --output OUT --max-error-rate 1\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
