"""Losses of classes that have an order: a mistake by two classes is worse than a mistake by one."""
