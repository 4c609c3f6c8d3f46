"""From run directories to verdicts: comparisons, tables, figures and the report. Torch-free."""
