"""Any folder of images: class folders, folders for train, val and test, or lists."""

from dataclasses import dataclass

from lossbench.config.values import number
from lossbench.data.images.given import Given
from lossbench.data.images.layout import read_layout
from lossbench.data.images.listed import read_given
from lossbench.data.images.random_split import RandomSplitSource


@dataclass(frozen=True, kw_only=True)
class ImageFolder(RandomSplitSource):
    """Your own images: <root>/<class>/**, or <root>/train/<class>/** with val/ and test/ beside it, or lists of files.

    Parts that are missing are held out of train, class by class with a seed. Replicates keep the images of test/ or of
    test_list; without them they test on folds of all images.

    Args:
        images_per_class: images of each class to learn and choose from (train and val together, train alone where val
            is there), nested; None takes all.
        split_seed: draws the splits, >= 0.
        val_fraction: share of each class's images, those for testing left out, held out for validation, in (0, 1).
        test_fraction: share of each class's images held out for testing, in (0, 1); 1 / k for replicates.
        train_list: a text file of lines `class/file` or `class/file label` below the root.
        val_list: the same for validation.
        test_list: the same for testing.

    Raises:
        ValueError: a setting is out of range, the folder or a list is missing, or lists overlap.
    """

    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        number("test_fraction", self.test_fraction, 0, above=True, below=1)
        lists = [name for name in ("train_list", "val_list", "test_list") if getattr(self, name)]
        if lists and not self.train_list:
            raise ValueError(f"{lists[0]} needs train_list too: it says what is train, and what of it is held out")
        if lists and self.images_per_class is not None:
            raise ValueError(
                f"images_per_class={self.images_per_class} draws a subset, but train_list says all of the split; "
                "leave one out"
            )

    @property
    def test_share(self) -> float:
        """The setting test_fraction."""
        return self.test_fraction

    def given(self) -> Given:
        """Read the lists, or the folders."""
        if self.train_list:
            return read_given(self.lists(strict=False), self.folder, self.root)
        return read_layout(self.folder, self.root)
