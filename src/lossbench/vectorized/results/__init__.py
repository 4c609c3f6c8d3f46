"""What the runs of a stack leave: measured together, written into the directory of each."""
