"""What the verdicts of several data sets say together: a row a data set, never a mean over them."""
