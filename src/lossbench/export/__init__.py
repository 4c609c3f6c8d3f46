"""A trained run as a folder that predicts without lossbench: one file, a card and a script."""
