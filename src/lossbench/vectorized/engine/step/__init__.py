"""How a step is computed: traced, compiled with the runs innermost in memory, or captured on a GPU."""
