"""A new version over yesterday's topics beside the live one, without effects: which decisions would change."""
