"""Personal data, encrypted on its way into a store and opened on its way out."""
