"""Whether the step of a stack is compiled: decided before its first step, by what it computes alone.

Compiled and eager steps agree to rounding and not to the last bit. A stack that is resumed, or trained on another
machine, must end with the same numbers, so that no clock may decide: the same stack is compiled everywhere, as far as
there is a compiler, and its saved state says how it is trained.
"""

from typing import NamedTuple

EAGER = "eager"
COMPILED = "compiled"
FUSED = "compiled update"
GRAPH = "cuda graph"

SAVED_A_STEP = 2e-4  # seconds that a compiled step saves however small: some hundred calls of operations
SAVED_A_NUMBER = 3e-8  # seconds, for each parameter of each run
SAVED_AN_UPDATE = 2e-9  # seconds, for each parameter of each run, where the update alone is compiled
WORTH = 2.0  # seconds: compiling takes 2 to 4 the first time, 0.3 from the cache
LARGEST_PRODUCT = 4096  # parameters x examples of a run; the sums of larger products are a library's work
FEWEST = 100  # steps on a GPU that repay the capture of one


class Size(NamedTuple):
    """What a stack computes.

    Args:
        runs: K.
        parameters: of one run.
        batch_size: examples in a step of one run.
        steps: that are left.
        device: its type.
    """

    runs: int
    parameters: int
    batch_size: int
    steps: int
    device: str = "cpu"


def choice(size: Size) -> tuple[str, str]:
    """Choose how a stack is trained.

    Returns:
        `COMPILED`, `FUSED`, `GRAPH` or `EAGER`, and the reason.
    """
    if size.device == "cuda":
        return (GRAPH if size.steps >= FEWEST else EAGER), f"{size.steps:,} steps on a GPU, which waits for each call"
    numbers, product = size.runs * size.parameters, size.parameters * size.batch_size
    engine = FUSED if product > LARGEST_PRODUCT else COMPILED
    a_step = SAVED_AN_UPDATE * numbers if engine == FUSED else SAVED_A_STEP + SAVED_A_NUMBER * numbers
    saves = f"about {size.steps * a_step:.1f} s of {size.steps:,} steps"
    if engine == FUSED:
        saves = f"{saves}: {size.parameters:,} parameters x {size.batch_size} examples are products of a library"
    return (engine, f"saves {saves}") if size.steps * a_step >= WORTH else (EAGER, f"compiling would save {saves}")
