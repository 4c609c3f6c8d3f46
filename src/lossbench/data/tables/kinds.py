"""What the columns of a table hold: numbers, categories or times, or nothing to learn from. Torch-free."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import polars

Kind = Literal["number", "category", "time"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ISO_TIME = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$"
RARE = 5
"""Training rows that a category must have to get a column of its own."""
DIFFERENT = 0.5
"""Text of which more than this share of the rows has a value of its own cannot be learned from."""
FEW = 20  # different texts, which a small table may have by chance
MOST_BY_CHANCE = 5  # whole numbers of so few rows may be sorted by chance
DAY = 86_400_000_000  # microseconds


def kind_of(column: "polars.Series") -> Kind | None:
    """What a column holds, by its type and its cells; None for lists, structures and bytes."""
    import polars

    kind = column.dtype
    if kind.is_numeric():
        return "number"
    if kind == polars.String:
        values = column.drop_nulls()
        return "time" if len(values) and values.str.contains(ISO_TIME).all() else "category"
    if kind in (polars.Date, polars.Datetime, polars.Duration, polars.Time):
        return "time"
    return "category" if kind in (polars.Boolean, polars.Categorical, polars.Enum, polars.Null) else None


def no_feature(column: "polars.Series", kind: Kind | None) -> str | None:
    """Why nothing can be learned from a column: an identifier, a constant, text without repeats; None where it can."""
    if kind is None:
        return f"it holds {_plain(column.dtype)}"
    values = column.drop_nulls()
    distinct = values.n_unique()
    if not distinct:
        return "it is empty"
    if distinct == 1 and len(values) == len(column):
        return "it is constant"
    if kind == "category" and _hardly_repeats(values, distinct):
        return f"an identifier or free text: {distinct:,} different values in {len(values):,} rows"
    return "an identifier: whole numbers that count the rows" if _is_counter(column, distinct) else None


def _hardly_repeats(values: "polars.Series", distinct: int) -> bool:
    """Whether most rows have a value of their own, or no value is frequent enough for a column of its own."""
    if distinct <= FEW:
        return False
    return distinct > DIFFERENT * len(values) or int(values.value_counts()["count"].max()) < RARE  # pyright: ignore[reportArgumentType] - counts


def _is_counter(column: "polars.Series", distinct: int) -> bool:
    """Whether a column holds different whole numbers without gaps, or sorted as the rows are."""
    if not column.dtype.is_integer() or not distinct == len(column) > MOST_BY_CHANCE:
        return False
    low, high = int(column.min()), int(column.max())  # pyright: ignore[reportArgumentType] - whole numbers
    return high - low == len(column) - 1 or column.is_sorted() or column.is_sorted(descending=True)


def _plain(dtype: object) -> str:
    return str(dtype).partition("(")[0].lower()


def as_kind(column: "polars.Series", kind: Kind) -> "polars.Series":
    """Convert a column: numbers and times (days since 1970) to Float64, categories to text; missing cells stay null.

    Raises:
        ValueError: names a cell that is none of this kind, with its row.
    """
    convert = {"number": _numbers, "time": _days, "category": _texts}[kind]
    converted = convert(column)
    broken = converted.is_null() & ~column.is_null()
    if kind != "category":
        broken = broken | converted.is_infinite().fill_null(value=False)
    if broken.any():
        row = int(broken.arg_max() or 0)
        raise ValueError(f"column {column.name!r} must hold finite {kind}s, got {column[row]!r} in row {row + 1}")
    return converted


def _numbers(column: "polars.Series") -> "polars.Series":
    import polars

    return column.cast(polars.Float64, strict=False)


def _days(column: "polars.Series") -> "polars.Series":
    import polars

    if column.dtype == polars.String:
        text = column.str.strip_suffix("Z").str.replace(" ", "T", literal=True)
        text = polars.select(polars.when(text.str.len_chars() == 10).then(text + "T00:00").otherwise(text)).to_series()
        seconds = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
        column = seconds.fill_null(text.str.to_datetime("%Y-%m-%dT%H:%M", strict=False, time_unit="us")).alias(
            column.name
        )
    elif column.dtype == polars.Date:
        column = column.cast(polars.Datetime("us"))
    elif column.dtype == polars.Time:
        return column.cast(polars.Int64).cast(polars.Float64) / (1000 * DAY)
    elif not isinstance(column.dtype, polars.Datetime | polars.Duration):
        return column.cast(polars.Float64, strict=False)
    else:
        column = column.dt.cast_time_unit("us")
    return column.cast(polars.Int64).cast(polars.Float64) / DAY


def _texts(column: "polars.Series") -> "polars.Series":
    """Text; a whole number is the same category whatever type it is stored in."""
    import polars

    if column.dtype.is_float() and (column.drop_nulls() == column.drop_nulls().floor()).all():
        column = column.cast(polars.Int64)
    return column.cast(polars.String)


def features_of(
    frame: "polars.DataFrame", categorical: Collection[str], keep: Collection[str]
) -> "Iterator[tuple[str, Kind | None, str | None]]":
    """Say of each column what it holds and why it is left out: name, kind, and the reason; None where it is used.

    Args:
        frame: the columns that may be features.
        categorical: columns whose numbers are categories.
        keep: columns that are used whatever they look like.
    """
    for column in frame.iter_columns():
        kind = kind_of(column)
        if column.name in categorical and kind is not None:
            kind = "category"
        reason = no_feature(column, kind)
        kept = column.name in keep and kind is not None
        yield column.name, kind, None if kept else reason
