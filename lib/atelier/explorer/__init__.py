"""The random-field explorer: what one visitor does with random fields."""
