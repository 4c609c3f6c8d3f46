"""Any folder of class folders."""

from dataclasses import dataclass

from lossbench.config.values import number
from lossbench.data.folds import fold_count
from lossbench.data.images.files import ClassFolders, class_folders
from lossbench.data.images.listing import Listing, check_classes, label
from lossbench.data.images.random_split import RandomSplitSource
from lossbench.data.images.source import POOL
from lossbench.data.images.subset import class_of, first_of_each, hold_out, ranked

LISTS = ("train_list", "val_list", "test_list")


@dataclass(frozen=True, kw_only=True)
class ImageFolder(RandomSplitSource):
    """Your own images: <root>/<class>/**, split class by class with a seed, or by lists.

    Replicates test on folds of all images; lists keep their test images, and those of train and val are drawn anew.

    Args:
        images_per_class: images of each class to learn and choose from (train and val together), nested; None takes
            all.
        split_seed: draws the splits, >= 0.
        val_fraction: share of each class's images, those for testing left out, held out for validation, in (0, 1).
        test_fraction: share of each class's images held out for testing, in (0, 1); 1 / k for replicates.
        train_list: a text file of lines `class/file` or `class/file label` below the root; then val_list and
            test_list are needed too.
        val_list: the same for validation.
        test_list: the same for testing.

    Raises:
        ValueError: a setting is out of range, the folder or a list is missing, or lists overlap.
    """

    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        number("test_fraction", self.test_fraction, 0, above=True, below=1)
        given = [name for name in LISTS if getattr(self, name)]
        if given and len(given) < len(LISTS):
            raise ValueError(
                f"{given[0]} needs {', '.join(name for name in LISTS if name not in given)} too: lists say all of "
                "the split"
            )
        if given and self.images_per_class is not None:
            raise ValueError(
                f"images_per_class={self.images_per_class} draws a subset, but {given[0]} says all of the split; "
                "leave one out"
            )

    def listing(self) -> Listing:
        """Draw or read the splits."""
        return self._listed_splits() if self.train_list else self._drawn_splits()

    @property
    def folds(self) -> int | None:
        """1 / test_fraction: the test parts of so many replicates cover the folder; None where lists say all."""
        return None if self.train_list else fold_count("test_fraction", self.test_fraction)

    def pool_listing(self) -> Listing:
        """All images of the folder, or of the lists."""
        if self.train_list:
            return super().pool_listing()
        found = self._found()
        files, classes = {POOL: sorted(found.names)}, tuple(found.images)
        check_classes(self.root, {"train": files[POOL], "val": (), "test": ()}, 0)
        return Listing(classes, files, label(files, classes, 0), {}, found.left_out)

    def left_out(self) -> list[str]:
        """Beside what is not used of any data set of files: what `images_per_class` leaves out of a replicate."""
        if self.replicate is None or self.images_per_class is None:
            return super().left_out()
        sizes = {name: len(split) for name, split in self.readable_splits().items()}
        there = len(self._whole._readable_pool) - sizes["test"]
        return [*self.fewer(sizes["train"] + sizes["val"], there), *super().left_out()]

    def _found(self) -> ClassFolders:
        """The class folders."""
        if (self.folder / "train").is_dir():
            raise ValueError(
                f"root={self.root} has a folder train: use data=imagenet_subset for train/ and val/ folders, or name "
                "one of them"
            )
        return class_folders(self.folder, "")

    def _drawn_splits(self) -> Listing:
        files: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        found = self._found()
        groups = {name: ranked(members, self.split_seed) for name, members in found.images.items()}
        learn = {}
        for name, members in groups.items():
            learn[name], test = hold_out(members, self.test_fraction)
            files["test"] += test
        taken = first_of_each(learn, self.images_per_class)
        for members in taken.values():
            train, val = hold_out(members, self.val_fraction)
            files["train"] += train
            files["val"] += val
        for split, names in files.items():
            if not names:
                raise ValueError(
                    f"{'test' if split == 'test' else 'val'}_fraction leaves no {split} images in classes of this size"
                )
        files = {split: sorted(names) for split, names in files.items()}
        check_classes(self.root, files, 0)
        left_out = [*self.not_drawn(taken, learn), *found.left_out]
        return Listing(tuple(groups), files, label(files, tuple(groups), 0), {}, left_out)

    def _listed_splits(self) -> Listing:
        lists = self.lists()
        files = {split: sorted(found.names) for split, found in lists.items()}
        for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
            if both := {*files[first]} & {*files[second]}:
                raise ValueError(f"{second}_list and {first}_list share {len(both)} images, for instance {min(both)}")
        check_classes(self.root, files, 0)
        classes = tuple(sorted({class_of(name, 0) for names in files.values() for name in names}))
        return Listing(
            classes,
            files,
            label(files, classes, 0),
            {"lists": {split: found.facts for split, found in lists.items()}},
        )
