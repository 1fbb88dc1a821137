"""What people and machines see over HTTP, apart from the telephone."""
