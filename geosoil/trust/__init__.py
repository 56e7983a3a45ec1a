"""Where a map can be trusted: prediction intervals, dissimilarity to the training samples, area of applicability.

Each module works on arrays alone. What a model needs later, for a map, is a small state of arrays and numbers.
"""
