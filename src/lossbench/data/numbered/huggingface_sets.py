"""What a data set of the library `datasets` holds: its parts, its images and its labels. It is imported to open one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.data.labels import ReadLabels, labels_of
from lossbench.data.numbered.array_names import PARTS
from lossbench.data.split import SPLITS
from lossbench.errors import one_line, some, suggest

USUAL = ("label", "labels", "class", "category", "target", "y")
"""What columns of labels are called that are no ClassLabel."""
FILES = {".parquet": "parquet", ".arrow": "arrow"}


def open_set(path: str, config: str | None) -> Mapping[str, Any]:
    """Open a data set: name of a split -> its rows.

    Args:
        path: a name on the hub, a folder that `datasets` reads or has saved, or a Parquet or Arrow file.
        config: of data sets that come in several configurations.

    Raises:
        ValueError: the package is not installed, or it cannot open the data set.
    """
    place = Path(path).expanduser()
    if not place.exists() and (place.is_absolute() or path.count("/") > 1 or path.startswith((".", "~"))):
        raise ValueError(f"path={path} does not exist; name a folder, a Parquet file, or a data set of the hub")
    try:
        library = import_module("datasets")
    except ImportError as error:
        raise ValueError(
            f"path={path}: data=huggingface needs the package datasets ({one_line(error)}): pip install "
            "'lossbench[datasets]'"
        ) from error
    import_module("huggingface_hub.utils.logging").set_verbosity_error()  # one line says why, not one for each try
    try:
        found = _opened(library, place, path, config)
    except Exception as error:  # of pyarrow, the hub, the file system, ...: each raises its own
        todo = "" if place.exists() else "; name a folder or a Parquet file that exists, or a data set of the hub"
        raise ValueError(f"path={path}: datasets cannot open it: {one_line(error)}{todo}") from error
    return found if isinstance(found, Mapping) else {"train": found}


def _opened(library: Any, place: Path, path: str, config: str | None) -> Any:
    if place.suffix in FILES and place.is_file():
        return library.load_dataset(FILES[place.suffix], data_files=str(place))
    if any((place / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return library.load_from_disk(str(place))
    return library.load_dataset(str(place) if place.exists() else path, config)


@dataclass(frozen=True)
class Columns:
    """Which columns of a data set are used.

    Args:
        image: of the images.
        target: of the labels.
        unused: the others.
    """

    image: str
    target: str
    unused: Sequence[str]


def columns_of(features: Mapping[str, Any], image: str | None, target: str | None) -> Columns:
    """Find the columns of images and labels.

    Args:
        features: column -> its type.
        image: the name that the user gives; None finds the only column of images.
        target: the same of labels: the only ClassLabel, or what is called label, labels, class ...

    Raises:
        ValueError: there is no such column, or there are several.
    """
    found = {
        "image": image or _only("image", "columns of images", _images(features), features),
        "target": target or _only("target", "columns of labels", _classes(features) or _usual(features), features),
    }
    for key, name in found.items():
        if name not in features:
            raise ValueError(f"{key}={name} is no column; {suggest(name, features)}")
    if (chosen := found["image"]) not in _images(features):
        what = f"of images but of {features[chosen]}"
        raise ValueError(f"image={chosen} is no column {what}; {some(features)} are there")
    return Columns(**found, unused=[name for name in features if name not in found.values()])


def _classes(features: Mapping[str, Any]) -> list[str]:
    return [name for name, kind in features.items() if _names_of(kind) is not None]


def _images(features: Mapping[str, Any]) -> list[str]:
    return [name for name, kind in features.items() if type(kind).__name__ == "Image"]


def _usual(features: Mapping[str, Any]) -> list[str]:
    return [name for name in features if name.lower() in USUAL]


def _only(key: str, what: str, found: Sequence[str], features: Mapping[str, Any]) -> str:
    if len(found) == 1:
        return found[0]
    problem = f"there are several {what}: {some(found)}" if found else f"there are no {what} among {some(features)}"
    raise ValueError(f"path: {problem}; choose with data.{key}=COLUMN")


def _names_of(kind: Any) -> list[str] | None:
    """The classes of a ClassLabel, or of a list of them."""
    inner = getattr(kind, "feature", kind)
    return list(inner.names) if type(inner).__name__ == "ClassLabel" else None


def parts_of(names: Sequence[str], given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Find train, val and test among the splits of a data set.

    Args:
        names: of the splits.
        given: part -> split, as the user says; None goes by the names; a data set with one split is train.

    Returns:
        Part -> split.

    Raises:
        ValueError: there is no split to train on, or a split does not exist.
    """
    if given is not None:
        if unknown := [name for name in given.values() if name not in names]:
            raise ValueError(f"split_names: there is no split {unknown[0]}; {suggest(str(unknown[0]), names)}")
        found = dict(given)
    elif len(names) == 1:
        found = {"train": names[0]}
    else:
        found = {}
        for name in names:
            found.setdefault(PARTS.get(name.lower(), ""), name)
    if "train" not in found:
        raise ValueError(
            f"path: there is no split train among {some(names)}; name it with data.split_names={{train:NAME}}"
        )
    return {part: found[part] for part in SPLITS if part in found}


def labels_in(parts: Mapping[str, Any], column: str) -> tuple[Mapping[str, ReadLabels], Sequence[str]]:
    """Read the labels of all parts.

    Returns:
        Part -> labels, with the same classes; and the parts that have none (-1 or nothing), which cannot be used.

    Raises:
        ValueError: examples of a part have labels and others have none, a label is no class, or the parts number
            their classes differently.
    """
    names = _classes_of_all(parts, column)
    rows = {part: list(split[column]) for part, split in parts.items()}
    kept = {part: values for part, values in rows.items() if _has_labels(part, values, names, column)}
    whole = labels_of(_array([*chain.from_iterable(kept.values())], names), names, f"column {column}")
    split = np.split(whole.targets, np.cumsum([*map(len, kept.values())])[:-1])
    labels = {part: ReadLabels(each, whole.class_names, whole.note) for part, each in zip(kept, split, strict=True)}
    return labels, [part for part in rows if part not in kept]


def _classes_of_all(parts: Mapping[str, Any], column: str) -> list[str] | None:
    """The classes of a column of labels, which all parts number alike; None where no part names any."""
    of = {part: _names_of(split.features[column]) for part, split in parts.items()}
    names = of["train"]
    for part, others in of.items():
        if others != names:
            raise ValueError(
                f"target={column}: {part} has other classes than train, or in another order: {some(others or [])} "
                f"and {some(names or [])}; give all splits one ClassLabel"
            )
    return names


def _has_labels(part: str, values: Sequence[Any], names: Sequence[str] | None, column: str) -> bool:
    """Whether a part has labels; those of train, or of some examples of a part, may not be missing."""
    nothing = (None,) if names is None else (None, -1)
    missing = sum(value in nothing for value in values)
    if missing == len(values) and part != "train":
        return False
    if missing:
        raise ValueError(f"target={column}: {missing:,} of {len(values):,} {part} examples have no label")
    return True


def _array(values: Sequence[Any], names: Sequence[str] | None) -> np.ndarray:
    """Labels as an array; lists of class indices as rows of 0 and 1."""
    if not isinstance(values[0], list):
        return np.array(values)
    if names is None:
        return np.array(values)
    rows = np.zeros((len(values), len(names)), dtype=np.int64)
    for row, labels in zip(rows, values, strict=True):
        row[labels] = 1
    return rows


def files_of(split: Any) -> Iterator[str]:
    """The files in which a split is kept, with what changes when they do."""
    for file in split.cache_files:
        found = Path(file["filename"]).stat()
        yield f"{file['filename']} {found.st_size} {found.st_mtime_ns}"
