"""What a command would do, before it does it (plan=true): how many runs, how long, how much disk, what they decide."""
