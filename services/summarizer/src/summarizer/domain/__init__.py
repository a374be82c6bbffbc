"""What a finished interaction becomes, and what is refused: pure functions."""
