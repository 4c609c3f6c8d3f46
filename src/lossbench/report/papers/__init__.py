"""What a paper takes from a comparison: the table in LaTeX, and how it was made in words."""
