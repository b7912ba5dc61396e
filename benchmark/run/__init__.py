"""2. The stages: degrade, restore, score; and the engine that runs them."""
