"""A made table with everything that tables have: numbers, categories, times, missing cells, identifiers, groups."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars


def a_table(n: int = 300, seed: int = 0) -> polars.DataFrame:
    """Visits of patients, three each, whose risk depends on age, city and smoking."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, n).round(1)
    city = rng.choice(["Rome", "Oslo", "Paris", "Lima", "Bern"], n, p=[0.43, 0.3, 0.21, 0.03, 0.03])
    smoker = rng.random(n) < 0.3
    score = (age - 40) / 12 + 1.5 * (city == "Rome") - (city == "Oslo") - 1.2 * smoker + rng.normal(0, 0.5, n)
    return polars.DataFrame(
        {
            "patient": [f"p{k // 3}" for k in range(n)],
            "row_id": range(1000, 1000 + n),
            "name": [f"person {k * 7919 % n}" for k in range(n)],
            "age": some_missing(rng, age.tolist(), 0.1),
            "city": some_missing(rng, city.tolist(), 0.08),
            "smoker": smoker.tolist(),
            "visit": [date(2020, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 900, n)],
            "country": ["X"] * n,
            "risk": np.where(score > 0.6, "high", np.where(score < -0.5, "low", "middle")).tolist(),
        }
    )


def some_missing(rng: np.random.Generator, values: Sequence[object], share: float) -> list[object]:
    """Values of which some are missing."""
    return [None if rng.random() < share else value for value in values]


def written(frame: polars.DataFrame, path: Path) -> str:
    """Write a table and give its path."""
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path)
    return str(path)
