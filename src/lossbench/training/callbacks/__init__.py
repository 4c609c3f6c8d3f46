"""What the trainer does beside training: checkpoints, the tidy history, progress."""
