"""What run directories say together. Free of torch: a laptop makes the pictures."""
