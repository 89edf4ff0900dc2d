"""What else the model should see, beside the text around the gap: one file per source."""
