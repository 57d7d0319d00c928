"""Each room of the product by itself."""
