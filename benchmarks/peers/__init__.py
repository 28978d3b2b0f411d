"""Measures the store and its peers with the same work, in one run and on one Postgres."""
