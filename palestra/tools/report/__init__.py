"""A report of runs: one file to read and to mail, with all that does them again."""
