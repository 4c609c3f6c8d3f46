"""Draw what losses look like, without training and without data: python scripts/atlas.py [loss=NAME,...] [module:Class ...].

Without a name all losses are drawn. module:Class is a loss in a file of yours, module.py in the working directory.
--check holds losses to the laws.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from lossbench.errors import UserError, exit_on_user_error

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf" / "loss"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("losses", nargs="*", metavar="LOSS", help="loss=NAME[,NAME] or module:Class")
    parser.add_argument(
        "--out", type=Path, help="folder of the page and its figures; default: atlas in LOSSBENCH_RUNS or runs"
    )
    parser.add_argument(
        "--check", action="store_true", help="hold the losses to the laws, a line each; exit code 1 if one is broken"
    )
    parser.add_argument("--docs", action="store_true", help="write docs/losses.md and docs/img/losses of all losses")
    given = parser.parse_args()
    if given.check + given.docs > 1 or (given.docs and (given.losses or given.out)) or (given.check and given.out):
        raise UserError("--check goes with losses, --docs alone, --out with neither")

    from lossbench.atlas.catalog import choose, registered  # torch takes seconds to import

    entries = choose(given.losses, CONF)
    if given.check:
        from lossbench.atlas.check import check_all

        sys.exit(check_all(entries))
    if given.docs:
        from lossbench.atlas.document import write_docs

        print(write_docs(entries, ROOT / "docs"))
        return
    from lossbench.atlas.publish import publish

    folder = given.out or Path(os.environ.get("LOSSBENCH_RUNS") or "runs") / "atlas"
    made = f"python {shlex.join(['scripts/atlas.py', *given.losses])}"
    print(f"\natlas: {publish(entries, registered(CONF), folder, made)}")


if __name__ == "__main__":
    exit_on_user_error(main)
