"""How often a model orders pairs and triplets rightly. Torch-free at import."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate, mean, proportion
from lossbench.metrics.registry import metric

if TYPE_CHECKING:
    from lossbench.metrics.members import Members, SimilarPairs


@metric("pair_accuracy", unit="%", better="higher", tasks=("ranking", "similarity", "triplets"), headline=True)
def pair_accuracy(outputs: "Members") -> Estimate:
    """mean [right], with Wilson's interval.

    Right is, of two scores, the target's order; of two embeddings, a cosine above 0.5 where they are similar, else not;
    of a triplet, a positive nearer to the anchor than the negative. Equal scores and distances count as wrong.
    """
    return proportion(outputs.right)


@metric("angle_similar", unit="degrees", better="lower", tasks=("similarity",))
def angle_similar(outputs: "SimilarPairs") -> Estimate | None:
    """Mean angle between the embeddings of similar pairs, degrees; only where there are any."""
    if not outputs.similar.any():
        return None
    found = mean(outputs.angles[:, outputs.similar])
    return replace(found, parts=lambda: outputs.angles.where(outputs.similar, math.nan))
