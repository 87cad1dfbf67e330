"""What people look at: curves, films, a panel beside a recorded game, a game to play."""
