"""3. What has been measured."""
