"""The version of REMAP, read by the build and written into every study."""

VERSION = "0.1.0"
