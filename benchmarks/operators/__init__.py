"""Chekov's operator beside one in Go, on a real API server."""
