"""Which features a loss leaves behind: a linear probe on other data, and how far classes lie apart."""
