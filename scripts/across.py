"""`lossbench across` in a checkout."""

import sys

from lossbench.cli.main import run

if __name__ == "__main__":
    run(["across", *sys.argv[1:]])
