"""Images named by a table: which columns, which files, which labels and splits. Torch-free."""
