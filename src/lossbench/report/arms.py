"""Arms of a comparison: runs that differ in nothing but the seed, named by what tells them from the other arms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.report.records import SHOWN_HASH, Record, by_seed
from lossbench.rundir.identity import DECIDES, WHEREABOUTS

HIDDEN = {f"{group}.{name}" for group, names in WHEREABOUTS.items() for name in names}


@dataclass(frozen=True)
class Arm:
    """Runs of one setting.

    Args:
        label: the loss, and the settings that tell it from the other arms, e.g. "cosine_prob alpha=0.5".
        loss: name of the loss.
        digest: hash of the identity.
        settings: key -> value of what differs from other arms.
        runs: seed -> run, in the order of the seeds.
    """

    label: str
    loss: str
    digest: str
    settings: Mapping[str, Any]
    runs: Mapping[int, Record]

    def scores(self, metric: str) -> dict[int, float]:
        """Seed -> value of a metric."""
        return {seed: float(run.metrics[metric]) for seed, run in self.runs.items()}

    def values(self, metric: str) -> np.ndarray:
        """(n,) values of a metric, by seed; runs that lack it are left out."""
        return np.array(
            [run.metrics[metric] for run in self.runs.values() if run.metrics.get(metric) is not None], dtype=float
        )

    @property
    def params(self) -> Mapping[str, Any]:
        """The flat configuration (its seed is that of one of the runs)."""
        return next(iter(self.runs.values())).params


def make_arms(records: Sequence[Record]) -> list[Arm]:
    """Group done runs into arms and name each by what tells it from the others."""
    groups = {digest: dict(sorted(runs.items())) for digest, runs in by_seed(records).items()}
    params = {digest: next(iter(runs.values())).params for digest, runs in groups.items()}
    settings = telling(params)
    labels = {digest: _label(params[digest], settings[digest]) for digest in groups}
    doubles = {label for label, times in Counter(labels.values()).items() if times > 1}
    return [
        Arm(
            label=f"{label} #{digest[:SHOWN_HASH]}" if label in doubles else label,
            loss=str(params[digest]["loss.name"]),
            digest=digest,
            settings=settings[digest],
            runs=groups[digest],
        )
        for digest, label in labels.items()
    ]


def telling(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Find the settings that tell arms apart.

    A setting of a group (alpha of the loss, hidden of the model) tells apart only arms with the same choice of that group.

    Args:
        arms: any name -> flat configuration.

    Returns:
        The same name -> the settings that differ between arms, with the arm's own value.
    """
    keys = sorted({key for params in arms.values() for key in params if _decides(key)})
    told: dict[str, dict[str, Any]] = {name: {} for name in arms}
    for key in keys:
        group = key.split(".")[0]
        label = key.endswith((".name", "._target_"))
        peers: dict[object, set[str]] = {}
        for params in arms.values():
            peers.setdefault(None if label else _choice(params, group), set()).add(_comparable(params.get(key)))
        for name, params in arms.items():
            if len(peers[None if label else _choice(params, group)]) > 1:
                told[name][key] = params.get(key)
    return {name: _named_once(settings) for name, settings in told.items()}


def _named_once(settings: dict[str, Any]) -> dict[str, Any]:
    """A choice is told by its name; by its target only where it has none."""
    return {
        key: value
        for key, value in settings.items()
        if not key.endswith("._target_") or key.replace("._target_", ".name") not in settings
    }


def _decides(key: str) -> bool:
    counts = any(key == path or key.startswith(f"{path}.") for path in DECIDES) and key != "fingerprint"
    return counts and not any(key == hidden or key.startswith(f"{hidden}.") for hidden in HIDDEN)


def _choice(params: Mapping[str, Any], group: str) -> str:
    return f"{params.get(f'{group}.name')} {params.get(f'{group}._target_')}"


def _comparable(value: Any) -> str:
    if value == {}:  # a group of which nothing is chosen
        return repr(None)
    return (
        repr(float(f"{value:.12g}")) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)
    )


def named(settings: Mapping[str, Any]) -> str:
    """Word settings: names as they are, numbers with their key, e.g. "mlp images_per_class=10"."""
    names = Counter(key.rpartition(".")[2] for key in settings if key != "loss.name")
    without = {
        key.rpartition(".")[0]
        for key, value in settings.items()
        if value is None and key.endswith((".name", "._target_"))
    }
    words = []
    for key, value in settings.items():
        group, _, last = key.rpartition(".")
        if key == "loss.name" or key == "loss._target_":
            continue
        if group in without:
            words += [f"no {group.rpartition('.')[2]}"] if last in ("name", "_target_") else []
        elif last in ("name", "_target_"):
            words.append(str(value).rpartition(".")[2] if last == "_target_" else str(value))
        else:
            words.append(f"{key if names[last] > 1 else last}={_shown(value)}")
    return " ".join(words)


def _label(params: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    return f"{params['loss.name']} {named(settings)}".strip()


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
