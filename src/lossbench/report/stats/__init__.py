"""What differences between losses mean: summaries over seeds, paired tests, verdicts, convergence.

Pure functions on NumPy arrays.
"""
