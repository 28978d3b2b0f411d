"""One process for each system; only `emmett.mjs` is not Python."""
