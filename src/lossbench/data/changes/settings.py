"""The settings that change a data set, which can be typed for any of them. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from lossbench.config.values import integer
from lossbench.data.changes.imbalance_settings import ImbalanceSettings
from lossbench.data.changes.noise_settings import DRAWN, NoiseSettings
from lossbench.data.changes.order_settings import OrderSettings


@dataclass(frozen=True)
class Changes(ImbalanceSettings, NoiseSettings, OrderSettings):
    """How the examples of a data set are changed after they have been split; test examples never are.

    Args:
        images_per_class: training examples that are kept of each class, >= 1; None keeps all.

    Raises:
        ValueError: names the setting, what was found and what is allowed.
    """

    images_per_class: int | None = None

    def __post_init__(self) -> None:
        ImbalanceSettings.__post_init__(self)
        NoiseSettings.__post_init__(self)
        OrderSettings.__post_init__(self)
        if self.images_per_class is not None:
            integer("images_per_class", self.images_per_class, low=1)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Read them from settings of a data set; null is the same as a setting that is not there.

        Raises:
            ValueError: also where a setting changes nothing without another one that is not there.
        """
        _check_needed({key: settings[key] for key in KEYS if settings.get(key) is not None})
        return cls(**{key: _hashable(settings[key]) for key in KEYS if settings.get(key) is not None})

    def settings(self) -> dict[str, Any]:
        """Give those that change something, with all that decides how: what a run's config.yaml holds."""
        few = {} if self.images_per_class is None else {"images_per_class": self.images_per_class}
        return {**few, **self.imbalance_settings(), **self.noise_settings(), **self.order_settings()}

    @property
    def off(self) -> bool:
        """Whether nothing is changed."""
        return not self.settings()


def _check_needed(given: Mapping[str, Any]) -> None:
    drawn = "noise" not in given or given["noise"] in DRAWN
    rate = {"noise": "label_noise=0.4", "noise_validation": "label_noise=0.4"} if drawn else {}
    for key, example in {**rate, **OF_IMBALANCE}.items():
        needed = example.partition("=")[0]
        if key in given and needed not in given:
            raise ValueError(
                f"{key}={str(given[key]).lower()} changes nothing without data.{needed}; type data.{example} too, "
                f"or leave data.{key} out"
            )


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


OF_IMBALANCE = dict.fromkeys(("imbalance_kind", "imbalance_seed", "imbalance_max"), "imbalance=10")
"""Setting -> what must be typed beside it."""
KEYS = tuple(each.name for each in fields(Changes))
NO_CHANGES = Changes()
