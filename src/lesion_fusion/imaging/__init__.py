"""From PNG bytes to what a model sees: decoding, masks, regions, descriptors, networks."""
