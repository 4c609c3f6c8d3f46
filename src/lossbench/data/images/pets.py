"""The Oxford-IIIT Pet data set: 37 breeds of cats and dogs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lossbench.config.values import choice, integer, number
from lossbench.data.images.files import find_images
from lossbench.data.images.listing import Listing
from lossbench.data.images.source import FileSource
from lossbench.data.images.subset import hold_out, hold_out_of_each, ranked

FOLDER = "oxford-iiit-pet"
HELD_OUT = 0.2
"""Of all images, for testing, where the split is random."""


@dataclass(frozen=True, kw_only=True)
class Pets(FileSource):
    """Oxford-IIIT Pet: the folder that torchvision downloads, with its images/ and annotations/.

    Args:
        split: "official" is trainval.txt and test.txt (3,680 and 3,669 images); "random" splits every file of images/
            (7,390) 80 to 20, for replicates in five folds.
        split_seed: draws the random split and the validation part, >= 0.
        val_fraction: share of each breed's training images held out for validation, in (0, 1).
        download: fetch the data set through torchvision when it is not there.

    Raises:
        ValueError: a setting is out of range, or the images are not where they are looked for.

    Reference:
        Parkhi et al. 2012, Cats and Dogs.
    """

    split: str = "official"
    split_seed: int = 0
    val_fraction: float = 0.2
    download: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("split", self.split, ("official", "random"))
        choice("download", self.download, (True, False))
        integer("split_seed", self.split_seed, low=0)
        number("val_fraction", self.val_fraction, 0, above=True, below=1)

    @property
    def folder(self) -> Path:
        """Where images/ and annotations/ are: the root itself, or torchvision's folder in it."""
        root = super().folder
        return root if (root / "images").is_dir() else root / FOLDER

    def listing(self) -> Listing:
        """Read the official split, or draw one."""
        if not (self.folder / "images").is_dir():
            self._fetch()
        there = self._there()
        learn, test = self._official() if self.split == "official" else self._random(there)
        train, val = hold_out_of_each((ranked(names, self.split_seed) for names in learn.values()), self.val_fraction)
        files = {"train": sorted(train), "val": sorted(val), "test": sorted(chain.from_iterable(test.values()))}
        for split, names in files.items():
            if not names:
                raise ValueError(
                    f"root={self.root} leaves no {split} images (split={self.split}, val_fraction={self.val_fraction})"
                )
        breeds = sorted({*learn, *test}, key=str.lower)
        index = {breed: i for i, breed in enumerate(breeds)}
        targets = {split: [index[_breed(name)] for name in names] for split, names in files.items()}
        titles = tuple(breed.replace("_", " ").title() for breed in breeds)
        return Listing(titles, files, targets, {"split": self.split}, _unlisted(there, files))

    @property
    def folds(self) -> int | None:
        """Five where the split is random; the official one has test images of its own."""
        return None if self.split == "official" else round(1 / HELD_OUT)

    def _there(self) -> list[str]:
        return [f"images/{name}" for name in find_images(self.folder / "images").images if name.endswith(".jpg")]

    def _official(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        groups = []
        for part in ("trainval", "test"):
            path = self.folder / "annotations" / f"{part}.txt"
            if not path.is_file():
                raise ValueError(f"root={self.root}: {path} is missing; split=random needs no annotations")
            groups.append(
                _by_breed(f"images/{line.split()[0]}.jpg" for line in path.read_text().splitlines() if line.strip())
            )
        return groups[0], groups[1]

    def _random(self, there: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        learn, test = hold_out(ranked(there, self.split_seed), HELD_OUT)
        return _by_breed(learn), _by_breed(test)

    def _fetch(self) -> None:
        where = super().folder
        if not self.download:
            raise ValueError(
                f"root={self.root}: there is no {where / 'images'} and no {where / FOLDER / 'images'}; fetch the "
                "data set (800 MB) with data.download=true, or unpack images.tar.gz and annotations.tar.gz of the "
                "Oxford-IIIT Pet data set there"
            )
        from torchvision.datasets import OxfordIIITPet  # takes seconds to import: only to download

        try:
            OxfordIIITPet(str(where), split="trainval", download=True)
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"download=true failed ({error}); fetch images.tar.gz and annotations.tar.gz of the Oxford-IIIT Pet "
                f"data set by other means and unpack them in {where / FOLDER}"
            ) from error


def _unlisted(there: Sequence[str], files: Mapping[str, Sequence[str]]) -> list[str]:
    """Say how many images are in no split."""
    unlisted = len({*there} - {*chain.from_iterable(files.values())})
    return [f"{unlisted:,} of {len(there):,} images are in no official list"] if unlisted else []


def _breed(name: str) -> str:
    return name.rpartition("/")[2].rpartition("_")[0]


def _by_breed(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[_breed(name)].append(name)
    return {breed: groups[breed] for breed in sorted(groups)}
