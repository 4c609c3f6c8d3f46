"""The laws of `lossbench.losses.laws`, tried on a loss from outside; each says what it found."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from lossbench.atlas.catalog import Entry
from lossbench.atlas.finite import cosines_of
from lossbench.errors import UserError, one_line
from lossbench.losses import Loss
from lossbench.losses.case import Case, examples
from lossbench.losses.laws import laws_of
from lossbench.losses.laws.values import values_match_the_naive_reference
from lossbench.losses.outputs import HeadOutput

LONGEST = 300  # characters of a reason
NEAR = (0.9, 1.0, 0.95)  # values of a hyper-parameter, times its default; upper ends of ranges stay inside


class Finding(NamedTuple):
    """What a law found: kept, broken (False) or only reported (None)."""

    law: str
    kept: bool | None
    said: str


def check_all(entries: Sequence[Entry]) -> int:
    """Hold losses to the laws and print what was found.

    Returns:
        The exit code: 1 if a law is broken.

    Raises:
        UserError: none of them is for classification.
    """
    broken, others = 0, [entry for entry in entries if "classification" not in entry.tasks]
    for entry in others:
        print(f"{entry.name} is for {', '.join(entry.tasks)}: not checked")
    if len(others) == len(entries):
        raise UserError("the laws are for classification; leave --check out")
    for entry in entries:
        if entry in others:
            continue
        print(entry.name)
        for finding in check(entry):
            broken += finding.kept is False
            word = {True: "ok    ", False: "BROKEN", None: "note  "}[finding.kept]
            print(f"  {word} {finding.law}: {finding.said}", flush=True)
    print(f"{broken} {'law is' if broken == 1 else 'laws are'} broken" if broken else "all laws hold")
    return int(broken > 0)


def check(entry: Entry) -> Iterator[Finding]:
    """Try every law on a loss for classification; what its code raises breaks the law."""
    case, found = _case(entry), dict[str, Finding]()
    for law, tried, attempt in laws_of(case):
        name, says = law.__name__.replace("_", " "), one_line(law.__doc__ or "")
        if law is values_match_the_naive_reference:  # from outside there is none
            name, says = "float64 stays float64", "Values are computed in at least the precision of the logits."
        if name in found and not found[name].kept:
            continue
        try:
            attempt()
        except Exception as error:  # the user's own code may raise anything: it is what was found
            found[name] = Finding(
                name, False, f"{says} With {tried}: {type(error).__name__}: {one_line(error)[:LONGEST]}"
            )
        else:
            found[name] = Finding(name, True, says)
    yield from (finding for name, finding in found.items() if "shift" not in name)
    yield _shift(case)


def _case(entry: Entry) -> Case:
    """See an entry of the atlas as the laws see a loss."""
    loss: Loss = entry.make()
    numbers = {name: value for name, value in loss.hyper_parameters().items() if type(value) is float}
    sweep = {name: [factor * (value or 0.1) for factor in NEAR] for name, value in numbers.items()}

    def values(output: Any, target: Tensor, **setting: Any) -> Tensor:
        mine = copy.copy(loss)
        for name, value in setting.items():
            object.__setattr__(mine, name, value)
        return mine.per_example(output, target)

    given = dict(entry.settings)
    return Case(entry.name, entry.kind, values, None, (given,), sweep, None, _output_of(entry, loss), loss.soft_targets)


def _output_of(entry: Entry, loss: Loss) -> Callable[[Tensor], Any]:
    """What a head makes of logits: both parts of its output, or cosines."""
    if not entry.head:
        return lambda logits: logits
    logits, target, _ = examples()
    try:
        loss.per_example(cosines_of(logits), target)
    except (ValueError, TypeError, AttributeError):
        return lambda logits: HeadOutput(logits, logits)
    return cosines_of


def _shift(case: Case) -> Finding:
    logits, target, _ = examples()
    setting = case.settings[0]
    change = float((case(logits + 3, target, setting) - case(logits, target, setting)).abs().max())
    told = (
        "it sees differences of logits alone"
        if change < 1e-9
        else f"3 added to all logits changes values by up to {change:.3g}"
    )
    return Finding("shift of all logits", None, told)
