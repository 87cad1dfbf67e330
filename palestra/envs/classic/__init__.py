"""Classic control: small mechanics."""
