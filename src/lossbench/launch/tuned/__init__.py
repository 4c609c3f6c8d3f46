"""hydra/sweeper=tuned: trials of every loss, a choice, and runs with what was chosen. Torch-free."""
