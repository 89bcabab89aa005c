"""Face to face: four digits and a place bring people together. Matching is pure; the waiting room tells who waits."""
