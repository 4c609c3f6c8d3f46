"""From planned run directories to stacks: which runs go where, on this machine and on a cluster."""
