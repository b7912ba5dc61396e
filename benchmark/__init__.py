"""The engine: it knows the contracts and reaches every system, metric and corruption by registry name."""
