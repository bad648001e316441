"""The command line: one command a file; each parses, calls a stage and prints."""
