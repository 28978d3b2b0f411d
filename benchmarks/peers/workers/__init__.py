"""One process for each system; `emmett.mjs` is the only one that is not Python."""
