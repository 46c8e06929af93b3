"""The command line: one file for each sub-command, options and printing only."""
