"""What Hydra finds by itself: thin classes that hand over to lossbench. Imported at every start, so nothing heavy here."""
