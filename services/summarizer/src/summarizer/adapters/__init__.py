"""The summarizer's side of other systems, named for their technology."""
