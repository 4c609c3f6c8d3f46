"""The atlas: what a loss looks like, measured without training and without data."""
