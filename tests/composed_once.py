"""A composition, for a process whose children compose: Hydra's plugins are found and its grammar is loaded once."""

import gc

from lossbench.config.composition import composed, hydra_started

with hydra_started():
    composed(["loss.alpha=0.5"])
gc.freeze()
gc.disable()  # a command that ends after tenths of a second leaves nothing to collect
