"""What a configuration may say, and how it becomes objects. Torch-free until something is built."""
