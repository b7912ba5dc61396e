"""The engine. It depends on the contracts only, and finds systems, metrics and corruptions by their registry names."""
