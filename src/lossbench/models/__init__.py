"""Models: maps from inputs to logits, and the heads that some losses need. All learnable weights live here."""
