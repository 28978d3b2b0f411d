"""The same work given to the store and to its peers, in one run and on one Postgres."""
