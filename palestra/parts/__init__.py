"""What algorithms are made of; pure, tested against hand-worked numbers."""
