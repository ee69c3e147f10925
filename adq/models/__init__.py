"""The network of a recipe: one that we drew or a user's own, and the weights it starts from."""
