"""`lossbench curves` in a checkout."""

import sys

from lossbench.cli.main import run

if __name__ == "__main__":
    run(["curves", *sys.argv[1:]])
