"""What a data set is, in the words of the first screen: classes, counts and imbalance. Torch-free."""

from collections.abc import Iterator, Mapping

UNEVEN = 1.5
"""How many times the largest class is as large as the smallest before it is said."""


def described(kind: str, unit: str, sizes: Mapping[str, int], counts: Mapping[str, int], each: str = "class") -> str:
    """Count classes and examples: "37 classes, 222 train / 74 val / 74 test images, 6 training images a class".

    Args:
        kind: the classes, or the task.
        unit: images or examples.
        sizes: split -> number of examples.
        counts: as of `Source.train_counts`: smallest_class and largest_class, where there are classes.
        each: class or label.
    """
    splits = " / ".join(f"{size:,} {split}" for split, size in sizes.items())
    return ", ".join((kind, f"{splits} {unit}", *_balance(unit, counts, each)))


def _balance(unit: str, counts: Mapping[str, int], each: str) -> Iterator[str]:
    """How many training examples the classes have; nothing where there are no classes to count."""
    if "smallest_class" not in counts:
        return
    least, most = counts["smallest_class"], counts["largest_class"]
    sizes = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    uneven = least > 0 and most / least >= UNEVEN
    ratio = f" (the largest {each} has {most / max(least, 1):.3g} times the {unit} of the smallest)" if uneven else ""
    yield f"{sizes} training {unit} a {each}{ratio}"
