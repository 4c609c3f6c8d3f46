"""Print how often the verdict of a fair fight is wrong, beside that of losses tuned once, and what it finds.

python scripts/simulate_fair.py {errors,power,regret,asking,edges} [repeats]
"""

import argparse
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr
from simulate_fights import LR, REPLICATES, SPACES, TWIN, choose, fair, naive, picked, searched
from simulate_studies import has_claim
from simulate_surfaces import FOLDS, SKILL, Nature, World, surface

from lossbench.report.stats.verdict import judge
from lossbench.report.tuned.edges import Edge
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.spaces import Space

LOSSES = 7  # the baseline, five others and the twin
EQUAL = (  # dimensions, trials, replicates
    (World(), 1, 8, 6),
    (World(), 1, 16, 12),
    (World(), 1, 64, 24),
    (World(), 2, 16, 12),
    (World(), 2, 64, 6),
    (World(), 3, 24, 12),
    (World(), 3, 64, 24),
    (World("t3"), 1, 16, 12),
    (World("t3"), 3, 24, 24),
    (World(collapse=0.05), 1, 16, 12),
    (World(collapse=0.15), 2, 16, 24),
    (World("discrete"), 1, 16, 12),
    (World("discrete"), 3, 24, 24),
    (World("discrete", collapse=0.1), 1, 16, 12),
)
BETTER = ((World(better=0.1), 12), (World(better=0.1), 15), (World("discrete", better=0.085), 12))
NARROW = Space((Dimension(LR.key, 1e-3, 1e-1, "log", ""),))
QUESTIONS = ((SPACES[1], 8), (SPACES[1], 16), (NARROW, 8), (SPACES[2], 16), (SPACES[3], 24))


def false_claims(
    world: World, dimensions: int, T: int, R: int, repeats: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Shares of fair fights of equal losses with any claim, and with one about the twin."""
    either, twin = 0, 0
    for _ in range(repeats):
        study = fair(Nature(world, LOSSES, R, rng), SPACES[dimensions], T).study
        either += has_claim(study, world.design)
        twin += has_claim(study, world.design, among=[TWIN])
    return either / repeats, twin / repeats


def naive_claims(
    world: World, dimensions: int, T: int, R: int, losses: int, repeats: int, rng: np.random.Generator
) -> float:
    """Share of studies of equal losses, tuned once, with any claim."""
    made = (naive(Nature(world, losses, R, rng), SPACES[dimensions], T) for _ in range(repeats))
    return sum(has_claim(study, world.design) for study in made) / repeats


def found(world: World, R: int, repeats: int, rng: np.random.Generator) -> tuple[float, float]:
    """Loss 1 is better: its mean difference in standard deviations, and the share of studies that call it better."""
    means, sd, better = [], [], 0
    for _ in range(repeats):
        study = fair(Nature(world, LOSSES, R, rng), SPACES[1], 16).study
        means.append(study["1"].means.mean())
        sd.append(study["1"].means.var(ddof=1))
        better += judge(study, None, design=world.design)["1"].verdict == "better"
    return float(np.mean(means) / np.sqrt(np.mean(sd))), better / repeats


def regret(dimensions: int, T: int, repeats: int, rng: np.random.Generator) -> float:
    """Mean accuracy, in points, that the setting chosen among T trials lacks to the best one."""
    lost = []
    for _ in range(repeats):
        nature = Nature(World("discrete"), 1, FOLDS, rng)
        settings = searched(SPACES[dimensions], T, int(rng.integers(REPLICATES)), "")
        chosen = picked(settings, [choose(nature, 0, 0, settings)[T]])
        lost.append(ndtr(SKILL.max()) - ndtr(surface(chosen, nature.shift[0, 0]))[0])
    return 100 * float(np.mean(lost))


def asking(repeats: int, rng: np.random.Generator) -> tuple[float, float]:
    """Ask until a loss is better, with more trials, other ranges, more dimensions: share with a claim, paid and free.

    A child plan inherits the looks of its parent.
    """
    paid, free = 0, 0
    for _ in range(repeats):
        nature = Nature(World(), 4, 12, rng)
        studies = [fair(nature, space, T).study for space, T in QUESTIONS]
        paid += any(has_claim(study, look=look) for look, study in enumerate(studies, start=1))
        free += any(map(has_claim, studies))
    return paid / repeats, free / repeats


def edges(beyond: float, repeats: int, rng: np.random.Generator) -> tuple[float, float]:
    """Loss 1 wants a larger learning rate: shares of studies in which it is worse, and in which it may be called so.

    Args:
        beyond: decades by which its surface lies higher.
        repeats: studies.
        rng: of all of them.
    """
    worse, said = 0, 0
    for _ in range(repeats):
        fight = fair(Nature(World(beyond=beyond), LOSSES, 12, rng), SPACES[1], 16)
        if judge(fight.study, None, design="split")["1"].verdict == "worse":
            sides = [LR.edge(lr, {}) for lr in fight.chosen[1].tolist()]
            worse += 1
            said += not Edge(LR, sides.count("low"), sides.count("high"), len(sides)).is_narrow
    return worse / repeats, said / repeats


def print_errors(repeats: int) -> None:
    """Claims about equal losses, and the same with a naive search."""
    print("| noise | collapses | dimensions | T | R | any claim | the twin | naive, 1 | naive, 6 |")
    stream = np.random.default_rng(0)
    for world, dimensions, T, R in EQUAL:
        either, twin = false_claims(world, dimensions, T, R, repeats, stream)
        frozen = [naive_claims(world, dimensions, T, R, losses, repeats, stream) for losses in (2, LOSSES)]
        rates = " | ".join(f"{100 * rate:.1f} %" for rate in (either, twin, *frozen))
        print(f"| {world.noise} | {100 * world.collapse:g} % | {dimensions} | {T} | {R} | {rates} |", flush=True)


def print_power(repeats: int) -> None:
    """How often the better of six losses is found."""
    stream = np.random.default_rng(1)
    for world, R in BETTER:
        effect, share = found(world, R, repeats, stream)
        print(f"{world.noise}, {R} replicates, better by {effect:.2f} sd: found in {100 * share:.0f} %", flush=True)


def print_regret(repeats: int) -> None:
    """What so many trials leave."""
    stream = np.random.default_rng(3)
    for dimensions in SPACES:
        found = [f"{regret(dimensions, T, repeats, stream):.2f} (T {T})" for T in (1, 8, 16, 32, 64)]
        print(f"{dimensions} settings: points below the best setting {', '.join(found)}", flush=True)


def print_asking(repeats: int) -> None:
    """What asking again costs."""
    paid, free = asking(repeats, np.random.default_rng(2))
    print(f"{len(QUESTIONS)} questions, one after the other: a claim in {100 * paid:.1f} %, unpaid {100 * free:.1f} %")


def print_edges(repeats: int) -> None:
    """What is said of a loss whose best learning rate lies outside the range."""
    stream = np.random.default_rng(4)
    for beyond in (0.0, 1.5, 2.0, 2.5, 3.0):
        worse, said = edges(beyond, repeats, stream)
        print(
            f"best rate {beyond:g} decades higher: worse in {100 * worse:.1f} %, said in {100 * said:.1f} %", flush=True
        )


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables: dict[str, Callable[[int], None]] = {
        "errors": print_errors,
        "power": print_power,
        "regret": print_regret,
        "asking": print_asking,
        "edges": print_edges,
    }
    parser.add_argument("table", choices=tables)
    parser.add_argument("repeats", type=int, nargs="?", default=200)
    chosen = parser.parse_args()
    tables[chosen.table](chosen.repeats)


if __name__ == "__main__":
    main()
