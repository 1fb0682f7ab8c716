"""`python -m jobs`, and the file to hand to spark-submit, which takes no command, only a `.py`."""

import sys

from jobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
