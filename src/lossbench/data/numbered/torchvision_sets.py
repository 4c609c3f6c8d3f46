"""The classification data sets that torchvision downloads: their parts, labels and images. Torch-free."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from lossbench.errors import one_line

PHOTO = 224
BY_TRAIN: Mapping[str, Mapping[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
BY_SPLIT: Mapping[str, Mapping[str, Any]] = {"train": {"split": "train"}, "test": {"split": "test"}}
WITH_VAL: Mapping[str, Mapping[str, Any]] = {**BY_SPLIT, "val": {"split": "val"}}
VAL_IS_TEST: Mapping[str, Mapping[str, Any]] = {"train": {"split": "train"}, "test": {"split": "val"}}
WHOLE: Mapping[str, Mapping[str, Any]] = {"train": {}}

Rows = Callable[[Any], Iterator[tuple[Any, Any]]]
"""Gives the files of a data set and their labels."""


def columns(files: str, labels: str) -> Rows:
    """Rows of a data set that keeps files and labels in two lists."""
    return lambda dataset: zip(getattr(dataset, files), getattr(dataset, labels), strict=True)


def pairs(samples: str) -> Rows:
    """Rows of a data set that keeps pairs of a file and its label."""
    return lambda dataset: iter(getattr(dataset, samples))


def caltech101(dataset: Any) -> Iterator[tuple[Path, int]]:
    """Rows of Caltech 101, which keeps numbers alone."""
    folder = Path(dataset.root) / "101_ObjectCategories"
    for number, label in zip(dataset.index, dataset.y, strict=True):
        yield folder / dataset.categories[label] / f"image_{number:04d}.jpg", label


def caltech256(dataset: Any) -> Iterator[tuple[Path, int]]:
    """Rows of Caltech 256, which keeps numbers alone."""
    folder = Path(dataset.root) / "256_ObjectCategories"
    for number, label in zip(dataset.index, dataset.y, strict=True):
        yield folder / dataset.categories[label] / f"{label + 1:03d}_{number:04d}.jpg", label


def inaturalist(dataset: Any) -> Iterator[tuple[Path, int]]:
    """Rows of iNaturalist."""
    for label, name in dataset.index:
        yield Path(dataset.root) / dataset.all_categories[label] / name, label


@dataclass(frozen=True)
class TorchvisionSet:
    """How a data set of torchvision is read.

    Args:
        parts: train, and val and test where they are published -> the arguments that choose it.
        rows: gives its files and labels; None where the images are in one array, `data`.
        labels: the attribute that holds the labels of an array.
        classes: the attribute that names the classes, where there is one.
        side: of the images that a model sees, pixels, unless another one is asked for.
        variant: an argument that the user may choose, and what it is otherwise.
        mirrored: whether a mirrored image is one of the same class.
        fixed: other arguments.
    """

    parts: Mapping[str, Mapping[str, Any]]
    rows: Rows | None = None
    labels: str = "targets"
    classes: str = "classes"
    side: int = PHOTO
    variant: tuple[str, str] | None = None
    mirrored: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def files_of(self, dataset: Any, root: Path) -> list[tuple[str, Any]]:
        """Give the files of a part, as names below the root, and their labels."""
        assert self.rows is not None
        return [(Path(file).relative_to(root).as_posix(), label) for file, label in self.rows(dataset)]


LISTS, SAMPLES = columns("_image_files", "_labels"), pairs("_samples")

SETS: Mapping[str, TorchvisionSet] = {
    "CIFAR10": TorchvisionSet(BY_TRAIN, side=32),
    "CIFAR100": TorchvisionSet(BY_TRAIN, side=32),
    "Caltech101": TorchvisionSet(WHOLE, caltech101, classes="categories"),
    "Caltech256": TorchvisionSet(WHOLE, caltech256, classes="categories"),
    "CLEVRClassification": TorchvisionSet(VAL_IS_TEST, LISTS),
    "Country211": TorchvisionSet({**BY_SPLIT, "val": {"split": "valid"}}, pairs("samples")),
    "DTD": TorchvisionSet(WITH_VAL, LISTS),
    "EMNIST": TorchvisionSet(BY_TRAIN, side=28, variant=("split", "balanced"), mirrored=False),
    "EuroSAT": TorchvisionSet(WHOLE, pairs("samples"), side=64),
    "FGVCAircraft": TorchvisionSet(WITH_VAL, LISTS, variant=("annotation_level", "variant")),
    "FashionMNIST": TorchvisionSet(BY_TRAIN, side=28),
    "Flowers102": TorchvisionSet(WITH_VAL, LISTS),
    "Food101": TorchvisionSet(BY_SPLIT, LISTS),
    "GTSRB": TorchvisionSet(BY_SPLIT, SAMPLES, side=48, mirrored=False),
    "INaturalist": TorchvisionSet(
        {"train": {"version": "2021_train_mini"}, "test": {"version": "2021_valid"}},
        inaturalist,
        classes="all_categories",
    ),
    "Imagenette": TorchvisionSet(VAL_IS_TEST, SAMPLES, variant=("size", "320px")),
    "KMNIST": TorchvisionSet(BY_TRAIN, side=28, mirrored=False),
    "MNIST": TorchvisionSet(BY_TRAIN, side=28, mirrored=False),
    "OxfordIIITPet": TorchvisionSet(
        {"train": {"split": "trainval"}, "test": {"split": "test"}}, columns("_images", "_labels")
    ),
    "Places365": TorchvisionSet(
        {"train": {"split": "train-standard"}, "test": {"split": "val"}}, pairs("imgs"), fixed={"small": True}
    ),
    "QMNIST": TorchvisionSet(BY_TRAIN, side=28, mirrored=False),
    "RenderedSST2": TorchvisionSet(WITH_VAL, SAMPLES, mirrored=False),
    "SEMEION": TorchvisionSet(WHOLE, labels="labels", side=16, mirrored=False),
    "STL10": TorchvisionSet(BY_SPLIT, labels="labels", side=96),
    "SUN397": TorchvisionSet(WHOLE, LISTS),
    "SVHN": TorchvisionSet(BY_SPLIT, labels="labels", side=32, mirrored=False),
    "StanfordCars": TorchvisionSet(BY_SPLIT, SAMPLES),
    "USPS": TorchvisionSet(BY_TRAIN, side=16, mirrored=False),
}
"""Name -> how it is read."""
OTHERS: Mapping[str, str] = {
    "FER2013": "its labelled files are not downloaded by torchvision: save them with numpy and use data=arrays",
    "FakeData": "it is noise: use data=fake_images",
    "ImageNet": "use data=imagenet_subset data.root=PATH",
    "ImageFolder": "use data=image_folder data.root=PATH",
    "DatasetFolder": "use data=image_folder data.root=PATH",
    "Omniglot": "its training and test parts have different classes",
    "PCAM": "it is one HDF5 file: save its arrays with numpy, and use data=arrays",
}
"""Data sets of torchvision that are asked for by name and read otherwise -> what to do."""


def open_parts(name: str, root: Path, *, variant: str | None, download: bool) -> Mapping[str, Any]:
    """Give the parts of a data set as torchvision gives them.

    Args:
        name: of the data set, one of SETS.
        root: the folder that torchvision keeps it in.
        variant: None takes the usual one.
        download: fetch it where it is not there.

    Raises:
        ValueError: it is not there, damaged, or cannot be fetched.
    """
    if not (download or root.is_dir()):
        raise ValueError(
            f"root={root} is not a folder; name the one with torchvision's {name}, or fetch it there with "
            "data.download=true"
        )
    listed = SETS[name]
    chosen = {} if listed.variant is None else {listed.variant[0]: variant or listed.variant[1]}
    build = getattr(import_module("torchvision.datasets"), name)
    try:
        return {
            part: build(root=str(root), download=download, **arguments, **chosen, **listed.fixed)
            for part, arguments in listed.parts.items()
        }
    except Exception as error:  # of scipy, zipfile, pickle, urllib, ...: a damaged file or a lost connection raises any
        why = one_line(error)
        if variant is not None and variant in why:
            raise ValueError(f"variant={variant}: {why}") from error
        hint = "" if download else "; fetch it with data.download=true, or unpack it there as torchvision does"
        raise ValueError(f"root={root}: torchvision cannot read {name}: {why}{hint}") from error
