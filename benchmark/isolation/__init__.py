"""Components in environments of their own."""
