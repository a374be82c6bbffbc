"""Where a person's data stand, by when they are gone, and their removal from what can be removed at once."""
