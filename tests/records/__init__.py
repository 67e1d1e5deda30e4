"""Records: documents in and out."""
