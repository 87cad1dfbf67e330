"""Training as a person asks for it: settings, the loop, its events, its doctor."""
