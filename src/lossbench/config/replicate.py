"""The two keys that tell runs of one setting apart, as they are typed: replicate, or seed; and trial. Torch-free."""

from collections.abc import Mapping
from typing import Any

from lossbench.config.paired import seed_of
from lossbench.config.plain import is_mapping
from lossbench.config.schema import REPLICATE
from lossbench.config.values import MOST, either, whole
from lossbench.errors import UserError

RULE = either(None, whole(0, MOST))


def with_replicate(composed: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a composed configuration: a replicate decides the seed and the splits of the data; seed=null is 0.

    Args:
        composed: composed and interpolated, with the keys replicate, seed and trial as they were typed.

    Returns:
        A copy, with a seed, and with the replicate in its data set.

    Raises:
        UserError: both are given, or data.replicate, which is no setting of a data set; or a trial of no replicate.
    """
    data, replicate, seed = composed["data"], composed.get(REPLICATE), composed.get("seed")
    trial = composed.get("trial") is True
    if is_mapping(data) and REPLICATE in data:
        raise UserError(f"data.{REPLICATE} is decided by the key above it; type {REPLICATE}={data[REPLICATE]}")
    for name, value in ((REPLICATE, replicate), ("seed", seed)):
        try:
            RULE(name, value)
        except ValueError as error:
            raise UserError(str(error)) from error
    if replicate is None:
        if trial:
            raise UserError(f"trial=true is one try of a search in a replicate; add {REPLICATE}=NUMBER, and no seed=")
        return {**composed, "seed": seed or 0}
    if seed is not None:
        raise UserError(
            f"seed={seed} and {REPLICATE}={replicate}: a replicate decides the split and the seed; "
            "leave one out, or set it to null"
        )
    drawn = {**data, REPLICATE: replicate} if is_mapping(data) else data
    return {**composed, "seed": seed_of(replicate, trial=trial), "data": drawn}
