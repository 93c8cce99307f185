"""What the stages that train models share: one `train` node per model, and one node for each step over all of them."""
