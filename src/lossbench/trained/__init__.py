"""What a finished run is good for: loaded, measured again, and asked for predictions."""
