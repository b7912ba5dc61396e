"""1. What is to be measured, and under which key."""
