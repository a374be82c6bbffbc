"""The firewall's side of other libraries, named for their technology."""
