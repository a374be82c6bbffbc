"""What the console speaks to, named for its technology."""
