"""Small local models that stand behind the local Bedrock server and the firewall's cascade."""

import os

# Read by OpenBLAS when numpy is first imported. Our products are small: its threads, which wait by spinning, made one
# of 3,734 × 384 take 7 ms instead of 0.4 on two busy cores, and sixteen times the processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
