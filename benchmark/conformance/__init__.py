"""Does a system keep the contract: checks of any restorer, one fault by one name."""
