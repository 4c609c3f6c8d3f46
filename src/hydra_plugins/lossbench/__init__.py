"""What Hydra finds by itself: thin classes that call lossbench. Imported at every start, so free of torch."""
