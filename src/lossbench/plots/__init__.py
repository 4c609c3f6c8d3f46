"""Pictures: of examples, of one run, of a comparison."""
