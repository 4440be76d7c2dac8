"""Define the interfaces of components, the hooks that offer them, and the registry that finds them."""
