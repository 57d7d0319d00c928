"""A node that lies makes us sign nothing wrong, and an honest run repairs what it caused."""
