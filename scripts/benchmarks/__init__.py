"""What lossbench promises to be fast: one file a figure, each with `figures(given)`."""
