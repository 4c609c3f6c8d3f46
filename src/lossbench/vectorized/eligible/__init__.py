"""Which runs can be trained together, and which are better trained alone."""
