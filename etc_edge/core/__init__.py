"""The ground floor: errors, labels, bundles, recipes and results, on numpy and msgspec alone."""
