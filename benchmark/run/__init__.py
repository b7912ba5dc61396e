"""2. The stages: degrade, restore, speak, score; and the engine that runs them."""
