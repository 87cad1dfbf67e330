"""How good algorithms are over seeds and environments, and how sure that is."""
