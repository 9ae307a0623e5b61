"""The views of the page, one file each: each takes the state, none imports another."""
