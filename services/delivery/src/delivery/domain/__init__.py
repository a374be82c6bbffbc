"""What delivery decides: which commands in which order, and whether one may be sent. Pure."""
