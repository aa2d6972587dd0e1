"""How fast groundup is, and how much memory it takes, as ratios to what one would use instead: `make bench`."""
