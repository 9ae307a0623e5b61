"""How alike models are, and where they sit on a map.

`otmann` measures how far apart two architectures are, `predictions` how often two
models disagree, and `mds` lays models out in the plane by either distance. All three
are pure functions over values: no study, no clock, no process.
"""
