"""One run in its processes: start or resume, status, signals. Torch-free until training begins."""
