"""`lossbench convert-lists` in a checkout."""

import sys

from lossbench.cli.main import run

if __name__ == "__main__":
    run(["convert-lists", *sys.argv[1:]])
