"""The run contract: a run is a directory. Torch-free, so that planning, listing and reporting start fast."""
