"""Image sets: prepared once into one format, and the mini-batches drawn from them."""
