"""The batches of a stack whose images are varied and whose examples are mixed: those that each run alone would see."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossbench.data.augment import Augment
from lossbench.data.batch import Batch as Seen
from lossbench.data.device_transforms import soften
from lossbench.data.images.held import HeldImages
from lossbench.data.images.views import ViewDataset
from lossbench.data.module import POOL, DataModule
from lossbench.data.order import TrainBatches
from lossbench.seeds import generator
from lossbench.vectorized.engine.batches import Batch, Batches
from lossbench.vectorized.engine.examples import Examples


def batches_of(data: DataModule, examples: Examples, orders: Sequence[TrainBatches]) -> Batches:
    """Give the batches of K runs.

    Args:
        data: of one of the runs.
        examples: of the training split, as each run sees it.
        orders: of each run.
    """
    if data.augment is None:
        return Batches(examples, orders)
    return VariedBatches(data, data.augment, examples, orders)


class VariedBatches(Batches):
    """Batches of which each distinct run varies the images and mixes the examples by its own numbers.

    Args:
        data: of one of the runs.
        augment: how images and targets are varied.
        examples: of the training split, as each run sees it; images are held as evaluation sees them.
        orders: of each run.
    """

    def __init__(self, data: DataModule, augment: Augment, examples: Examples, orders: Sequence[TrainBatches]) -> None:
        super().__init__(examples, orders)
        self.data, self.augment = data, augment
        self._stage = "train" if examples.index is None else POOL
        self._images = [] if data.normalise is None else [self._dataset(k) for k in range(len(self.orders))]

    def at(self, step: int) -> Batch:
        """Give what the runs see in a step."""
        rows, target, weight, true = self.part(step, slice(None))
        inputs = self._varied(step, rows) if self._images else self.examples.take(rows)
        inputs, target, weight = self._mixed(step, inputs, target, weight)
        shared = len(self.orders) == 1
        inputs, target, *rest = (
            None if each is None else each[0] if shared else each.index_select(0, self.which)
            for each in (inputs, target, weight, true)
        )
        assert inputs is not None
        assert target is not None
        return Batch(inputs, target, rest[0], shared, rest[1])

    def _dataset(self, k: int) -> ViewDataset:
        """The images of a distinct run: cropped one by one, on the device, or only mirrored and erased in memory."""
        data, examples, seed = self.data, self.examples, self.orders[k].seed
        everyone = torch.arange(len(examples), device=examples.inputs.device)
        rows = everyone if examples.index is None else examples.index[self.replicates[k]]
        chosen = rows.cpu().numpy()
        cropped = data.images(self._stage, seed, self.augment, chosen)
        if data.cache == "gpu" or not cropped.views.centred or self.augment.transforms:
            return cropped
        return HeldImages(examples.inputs, rows, data.split(self._stage).take(chosen), cropped.views, data.fill)

    def _varied(self, step: int, rows: Tensor) -> Tensor:
        """The images of a step, cropped, mirrored, erased and normalised: (D, b, ...), of rows (D, b)."""
        found = []
        for images, order in zip(self._images, self.orders, strict=True):
            draw = order.batch(step)
            found.append(images.inputs(draw, images.views.choose(draw, draw.uses), draw.uses))
        positions = rows.flatten()
        seen = Seen(torch.cat(found).to(rows.device), positions, positions)
        inputs = self.data.device_transforms(seen, self._stage).inputs
        return inputs.view(*rows.shape, *inputs.shape[1:]).to(self.examples.dtype)

    def _mixed(
        self, step: int, inputs: Tensor, target: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Mix and smooth the batch of each distinct run: (D, b, ...) each."""
        if not self.augment.soft:
            return inputs, target, weight
        found = []
        for k, order in enumerate(self.orders):
            batch = Seen(inputs[k], target[k], target[k], None if weight is None else weight[k])
            rng = generator(order.seed, "mix", step, 0)
            found.append(soften(batch, self.augment, self.data.source.num_classes, rng))
        mixed = None if weight is None else torch.stack([each.weight for each in found])
        return torch.stack([each.inputs for each in found]), torch.stack([each.target for each in found]), mixed
