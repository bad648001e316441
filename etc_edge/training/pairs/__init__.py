"""Where the other frames of a sample come from."""
