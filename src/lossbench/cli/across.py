"""Compare losses across data sets: one row a data set, never a mean over them.

lossbench across STUDY STUDY ... [--out DIR]

STUDY is the folder of a study with one report, the folder of a report, or its verdict.csv. Losses that some data sets
lack are left out.
"""

from collections.abc import Sequence

from lossbench.cli.parser import Parser, as_path
from lossbench.report.across.data_sets import read_data_sets


def main(words: Sequence[str] | None = None) -> None:
    """Print the verdicts of several data sets together, and write them where asked."""
    parser = Parser("across", __doc__)
    parser.add_argument("studies", nargs="+", type=as_path, metavar="STUDY")
    parser.add_argument("--out", type=as_path, help="folder for the tables and the picture of the mean ranks")
    given = parser.parse_args(words)
    data_sets = read_data_sets(given.studies)

    from lossbench.report.across.publish import publish_across  # scipy and matplotlib take a second to import

    publish_across(data_sets, given.out)
