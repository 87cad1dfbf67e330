"""Small worlds with few enough states to write down whole: their models are exact."""
