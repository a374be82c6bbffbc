"""One conversation over all topics: what each service made of it, when, with what, and what it cost."""

from floodgate.timeline.hops import Hop, Seen, hops, shown, totals
from floodgate.timeline.reading import TopicReader

__all__ = ["Hop", "Seen", "TopicReader", "hops", "shown", "totals"]
