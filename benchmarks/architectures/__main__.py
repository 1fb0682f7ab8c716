"""`python -m benchmarks.architectures`: which architectures can be packaged, how near to torch they answer, how fast.

Every classification model of torchvision and one of each family of timm, with random weights: nothing is fetched.
Each is tried in a process of its own, and what came of it is written at once, so that the command, stopped at any
instant, goes on where it was. What fails is kept with what torch or OpenVINO says of it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..run import say
from .names import all_names
from .record import read, write
from .trial import in_a_process, say_result, try_one

JSON, TABLE = Path("docs/benchmarks/architectures.json"), Path("docs/architectures.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what is not in the record yet, and write the table; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.one:
        say_result(try_one(options.one, options.seconds))
        return 0
    names = options.only or list(all_names())
    done = {} if options.again else read(options.record)
    for place, name in enumerate(names, start=1):
        if name not in done or not (done[name].reason or done[name].f32):
            done[name] = in_a_process(name, options.seconds, options.timeout)
            write(options.record, options.table, done, len(names))
            say(f"{place}/{len(names)} {name}: {done[name].reason or 'ok'}")
    write(options.record, options.table, done, len(names))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="torchvision:resnet50 or timm:vit_tiny_…")
    parser.add_argument("--again", action="store_true", help="try what is in the record, too")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement of speed")
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds for one architecture")
    parser.add_argument("--record", type=Path, default=JSON)
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
