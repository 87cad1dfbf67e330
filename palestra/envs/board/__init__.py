"""Board games against an opponent, one file each."""
