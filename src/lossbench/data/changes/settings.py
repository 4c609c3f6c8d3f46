"""The settings that change a data set, which can be typed for any of them. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from lossbench.config.values import choice, number

NOISES = ("symmetric",)


@dataclass(frozen=True)
class Changes:
    """How the examples of a data set are changed after they have been split; test examples never are.

    Args:
        label_noise: share of the labels of each class that are wrong, in [0, 1].
        noise: where wrong labels go: symmetric spreads them evenly over all other classes.
        noise_validation: whether validation labels are wrong as training labels are.

    Raises:
        ValueError: names the setting, what was found and what is allowed.
    """

    label_noise: float = 0
    noise: str = "symmetric"
    noise_validation: bool = True

    def __post_init__(self) -> None:
        number("label_noise", self.label_noise, 0, top=1)
        choice("noise", self.noise, NOISES)
        choice("noise_validation", self.noise_validation, (True, False))

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Read them from settings of a data set; null is the same as a setting that is not there."""
        return cls(**{key: settings[key] for key in KEYS if settings.get(key) is not None})

    def settings(self) -> dict[str, Any]:
        """Give those that change something, with all that decides how: what a run's config.yaml holds."""
        return self._of_noise()

    def _of_noise(self) -> dict[str, Any]:
        if not self.label_noise:
            return {}
        return {name: getattr(self, name) for name in ("label_noise", "noise", "noise_validation")}

    @property
    def off(self) -> bool:
        """Whether nothing is changed."""
        return not self.settings()


KEYS = tuple(each.name for each in fields(Changes))
NO_CHANGES = Changes()
