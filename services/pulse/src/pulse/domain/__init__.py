"""What is counted and what is out of the ordinary. Pure."""
