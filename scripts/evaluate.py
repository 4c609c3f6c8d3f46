"""`lossbench evaluate` in a checkout."""

import sys

from lossbench.cli.main import run

if __name__ == "__main__":
    run(["evaluate", *sys.argv[1:]])
