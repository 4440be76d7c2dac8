"""Neural networks that map rows or images to a few numbers and back: dense and convolutional autoencoders."""
