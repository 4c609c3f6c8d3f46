"""How one run is trained: its parts, the LightningModule, the trainer, and what is measured at the end."""
