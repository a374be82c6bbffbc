"""The airline's policy as workflows, and the public tasks held against them."""
