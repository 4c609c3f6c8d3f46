"""Many runs from one command line: which runs, what is missing, how they went. Torch-free."""
