"""Which losses leave features that serve other data: the answers of `lossbench transfer`, judged as scores are."""
