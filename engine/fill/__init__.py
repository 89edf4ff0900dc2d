"""From a request to its best fill: prompt, lengths, candidates, rank, confidence."""
