"""`lossbench check` in a checkout."""

import sys

from lossbench.cli.main import run

if __name__ == "__main__":
    run(["check", *sys.argv[1:]])
