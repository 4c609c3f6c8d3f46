"""Winners at the edge of a searched range: where it was too narrow, a loss may be better than it was measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lossbench.report.formatting import counted
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import Plan, Row
from lossbench.tuning.study import Tuned

MOST = 0.25
"""Share of the replicates whose winner may lie at an edge of a range."""
FURTHER = 10.0  # a wider range on a logarithmic scale, on each side that needs it


@dataclass(frozen=True)
class Edge:
    """How often the winners of a row lie in the outer 5 % of a range.

    Args:
        dimension: the range.
        low: replicates with the winner at its lower end.
        high: replicates with the winner at its upper end.
        of: replicates with a winner.
    """

    dimension: Dimension
    low: int
    high: int
    of: int

    @property
    def is_narrow(self) -> bool:
        """Whether the winners lie there in too many replicates."""
        return self.low + self.high > MOST * self.of

    @property
    def words(self) -> str:
        """Where the winners lie: "at its upper end in 5 of 12 replicates"; empty for none."""
        ends = {"lower": self.low, "upper": self.high}
        said = [f"at its {name} end in {count}" for name, count in ends.items() if count]
        return f"{' and '.join(said)} of {counted(self.of, 'replicate')}" if said else ""

    @property
    def wider(self) -> str:
        """What to type for a wider range, such as search.lr=[1e-05,1]; empty where rules of the loss bound it."""
        if self.dimension.scale != "log" or not self.dimension.key.startswith("optimizer."):
            return ""
        low = self.dimension.low / FURTHER if self.low else self.dimension.low
        high = self.dimension.high * FURTHER if self.high else self.dimension.high
        return f"search.{self.dimension.key.partition('.')[2]}=[{low:.3g},{high:.3g}]"


def edges_of_row(tuned: Tuned, row: Row) -> list[Edge]:
    """Count the winners at the edges of each range of a row."""
    found = [winners.rows[row.name].edges for winners in tuned.winners.values()]
    return [_edge(each, found) for each in row.space.dimensions]


def _edge(dimension: Dimension, found: Iterable[Mapping[str, str]]) -> Edge:
    sides = [edges.get(dimension.key, "") for edges in found]
    return Edge(dimension, sides.count("low"), sides.count("high"), len(sides))


def narrow_edges(tuned: Tuned) -> dict[str, list[Edge]]:
    """Row -> its ranges that are too narrow; rows without any are left out."""
    found = {row.name: [edge for edge in edges_of_row(tuned, row) if edge.is_narrow] for row in tuned.plan.rows}
    return {name: edges for name, edges in found.items() if edges}


def barred_words(plan: Plan, narrow: Iterable[str], baseline: str) -> dict[str, frozenset[str]]:
    """Row -> words that may not be said of it: worse where its range was too narrow, better where the baseline's was.

    The twin is judged whatever its ranges: they are the baseline's, and it is there to show what goes wrong.

    Args:
        plan: its rows.
        narrow: rows whose range was too narrow.
        baseline: the row that the others are compared with.
    """
    narrow = {*narrow}
    barred: dict[str, frozenset[str]] = {}
    for row in plan.rows:
        words = frozenset(["worse"] * (row.name in narrow) + ["better"] * (baseline in narrow))
        if words and not row.is_twin and row.name != baseline:
            barred[row.name] = words
    return barred
