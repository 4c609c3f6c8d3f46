"""report.html: everything in one file, nothing fetched, nothing executed."""
