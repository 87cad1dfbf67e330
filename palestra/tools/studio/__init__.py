"""The studio: runs, live, and agents at play, in a page of the browser."""
