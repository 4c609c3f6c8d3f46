"""Print how often verdicts are wrong, find what is there, and hold on new data, in simulations.

python scripts/simulate_verdicts.py {errors,power,pools} [repeats]
"""

import argparse

import numpy as np
from simulate_pools import SCENES, cover, true_difference
from simulate_studies import NOISES, SD, false_claims, found, without_examples

SIZES = ((1, 6), (6, 8), (6, 12), (6, 40), (30, 6), (30, 12), (30, 40))  # comparisons, units
EFFECTS = ((6, 8, 1.5), (9, 8, 1.5), (30, 10, 1.5), (6, 12, 1.0), (6, 15, 1.0))  # and a difference in its sd


def errors(repeats: int) -> None:
    """False claims about equal losses."""
    stream = np.random.default_rng(0)
    for noise in NOISES:
        for m, R in SIZES:
            rate = false_claims(lambda g, n=noise, R=R, m=m: without_examples(n, R, m, g), repeats, stream)
            print(f"{noise:10s} {m:2d} comparisons, {R:2d} units: {100 * rate:.1f} %", flush=True)


def power(repeats: int) -> None:
    """How often a better loss is found."""
    stream = np.random.default_rng(1)
    for m, R, effect in EFFECTS:
        shift = effect * SD * np.sqrt(2)
        rate = found(lambda g, R=R, m=m, d=shift: without_examples("Gaussian", R, m, g, d), repeats, stream)
        print(f"{m:2d} comparisons, {R:2d} units, {effect} sd: {100 * rate:.0f} %", flush=True)


def pools(repeats: int) -> None:
    """Coverage of intervals over pools of learners whose true difference is known."""
    stream = np.random.default_rng(3)
    for scene in SCENES:
        truth = true_difference(scene, 600, stream)
        for one in cover(scene, truth, (10, 20), repeats, stream):
            print(f"{scene}, {one.R} replicates, true difference {100 * truth:.2f} points")
            rows = {
                "examples + replicates": (one.covered, one.width),
                "Nadeau and Bengio": (one.nadeau_bengio_covered, one.nadeau_bengio),
                "plain t": (one.plain_covered, one.plain),
            }
            for name, (covered, width) in rows.items():
                print(f"   {name:21s} covers {100 * covered:.1f} %, half-width {100 * width:.2f}", flush=True)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("errors", "power", "pools"))
    parser.add_argument("repeats", type=int, nargs="?", default=200)
    chosen = parser.parse_args()
    {"errors": errors, "power": power, "pools": pools}[chosen.table](chosen.repeats)


if __name__ == "__main__":
    main()
