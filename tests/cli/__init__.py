"""The command line: one module of tests for each command, and for parser, output and text."""
